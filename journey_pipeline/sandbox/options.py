"""The options of all simulated vendors, one field each.

Not here: what there is to switch (the options of each vendor, in its folder).
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from journey_pipeline.sandbox.apsis.options import ApsisOptions
from journey_pipeline.sandbox.layerfive.options import LayerFiveOptions
from journey_pipeline.sandbox.sfmc.options import SfmcOptions


class SandboxOptions(BaseModel):
    """Options of the sandbox; may be changed while it runs.

    Attributes:
        sfmc: Of the simulated Salesforce.
        layerfive: Of the simulated LayerFive.
        apsis: Of the simulated APSIS One.
    """

    model_config = ConfigDict(extra="forbid")

    sfmc: SfmcOptions = Field(default_factory=SfmcOptions)
    layerfive: LayerFiveOptions = Field(default_factory=LayerFiveOptions)
    apsis: ApsisOptions = Field(default_factory=ApsisOptions)

    def change(self, changes: bytes) -> None:
        """Changes the options that a JSON object names, all of them or none: `{"sfmc": {"bom": true}}`.

        Raises:
            pydantic.ValidationError: If one of them is unknown or has a wrong value.
        """
        asked = _Changes.model_validate_json(changes).model_dump(exclude_unset=True)
        before = self.model_dump()
        checked = SandboxOptions.model_validate({vendor: before[vendor] | asked[vendor] for vendor in asked})
        for vendor, names in asked.items():
            for name in names:
                setattr(getattr(self, vendor), name, getattr(getattr(checked, vendor), name))

    def shown(self) -> dict[str, Any]:
        """All options as JSON, without the secrets."""
        secrets = {"sfmc": {"client_secret"}, "layerfive": {"api_key"}, "apsis": {"client_secret"}}
        return self.model_dump(mode="json", exclude=secrets)


class _Changes(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sfmc: dict[str, Any] = {}
    layerfive: dict[str, Any] = {}
    apsis: dict[str, Any] = {}
