"""The options of all simulated vendors, under the vendors' names.

Not here: what there is to switch (the options of each vendor, in its folder).
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from journey_pipeline.errors import ConfigError, text_of
from journey_pipeline.sandbox.registry import simulated_vendors


class SandboxOptions(BaseModel):
    """Options of the sandbox; may be changed while it runs: `options.sfmc.bom = True`.

    Args:
        given: Options of some vendors by their names, as objects or as mappings; the others behave as contracted.

    Raises:
        ConfigError: If there is no such vendor, or one of its options is unknown or has a wrong value.
    """

    model_config = ConfigDict(extra="allow")

    def __init__(self, **given: Any) -> None:
        _check_names(given)
        super().__init__(**{name: _checked(name, given.get(name, {})) for name in simulated_vendors()})

    @classmethod
    def keeping(cls, days: int) -> SandboxOptions:
        """Those of vendors that keep their history so many days, but of those that forget nothing."""
        forgetful = [
            name for name, vendor in simulated_vendors().items() if "retention_days" in vendor.options.model_fields
        ]
        return cls(**{name: {"retention_days": days} for name in forgetful})

    def of(self, vendor: str) -> BaseModel:
        """The options of one vendor."""
        options: BaseModel = getattr(self, vendor)
        return options

    def change(self, changes: bytes) -> None:
        """Changes the options that a JSON object names, all of them or none: `{"sfmc": {"bom": true}}`.

        Raises:
            ConfigError: If one of them is unknown or has a wrong value.
        """
        asked = _read(changes)
        checked = {vendor: _checked(vendor, self.of(vendor).model_dump() | asked[vendor]) for vendor in asked}
        for vendor, names in asked.items():
            for name in names:
                setattr(self.of(vendor), name, getattr(checked[vendor], name))

    def shown(self) -> dict[str, Any]:
        """All options as JSON, without the secrets."""
        return {name: self.of(name).model_dump(mode="json", exclude=_secrets(name)) for name in simulated_vendors()}


def _read(changes: bytes) -> dict[str, dict[str, Any]]:
    try:
        asked = json.loads(changes)
    except ValueError as error:
        raise ConfigError(f"options are a JSON object by vendor, not: {text_of(error)}") from error
    if not isinstance(asked, dict) or not all(isinstance(each, dict) for each in asked.values()):
        raise ConfigError('options are a JSON object by vendor, such as {"sfmc": {"bom": true}}')
    _check_names(asked)
    return asked


def _check_names(given: dict[str, Any]) -> None:
    if unknown := sorted(given.keys() - simulated_vendors().keys()):
        raise ConfigError(f"{', '.join(unknown)}: no such vendor; there are {', '.join(simulated_vendors())}")


def _checked(vendor: str, given: Any) -> BaseModel:
    try:
        options: BaseModel = simulated_vendors()[vendor].options.model_validate(given)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, (vendor, *one['loc'])))}: {one['msg']}" for one in error.errors()]
        raise ConfigError("; ".join(wrong)) from error
    return options


def _secrets(vendor: str) -> set[str]:
    fields = simulated_vendors()[vendor].options.model_fields
    return {name for name, field in fields.items() if not field.repr}
