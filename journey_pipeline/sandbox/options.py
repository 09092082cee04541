"""The options of all simulated vendors, one field each.

Not here: what there is to switch (`sfmc/options.py`).
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from journey_pipeline.sandbox.sfmc.options import SfmcOptions


class SandboxOptions(BaseModel):
    """Options of the sandbox; may be changed while it runs.

    Attributes:
        sfmc: Of the simulated Salesforce.
    """

    model_config = ConfigDict(extra="forbid")

    sfmc: SfmcOptions = Field(default_factory=SfmcOptions)

    def change(self, changes: bytes) -> None:
        """Changes the options that a JSON object names, all of them or none: `{"sfmc": {"bom": true}}`.

        Raises:
            pydantic.ValidationError: If one of them is unknown or has a wrong value.
        """
        asked = _Changes.model_validate_json(changes)
        checked = SfmcOptions.model_validate({**self.sfmc.model_dump(), **asked.sfmc})
        for name in asked.sfmc:
            setattr(self.sfmc, name, getattr(checked, name))

    def shown(self) -> dict[str, Any]:
        """All options as JSON, without the secret."""
        return self.model_dump(mode="json", exclude={"sfmc": {"client_secret"}})


class _Changes(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sfmc: dict[str, Any] = {}
