"""A vendor's own lists as an asset: `dimensions/<connection>/…`, pulled whole each time.

Not here: the work itself (`loading/lists.py`), the tables made of it (`warehouse.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import dagster as dg

from journey_pipeline.components.recording import failure
from journey_pipeline.components.schedules import DIMENSIONS, Ticks, daily
from journey_pipeline.components.translator import DOES, Told, Translator, tags_of
from journey_pipeline.errors import TransientVendorError, text_of
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.lists import pull_dimensions
from journey_pipeline.model import StreamKey
from journey_pipeline.recipe import DimensionRecipe
from journey_pipeline.settings import make_home

FIRST_WAIT_S = 60.0


class ListConfig(dg.Config):
    """How one run pulls a list: how often again, minutes later, after a failure that may pass."""

    tries_later: int = 2


@dataclass(frozen=True, slots=True)
class DimensionAssets:
    """A list of a vendor as Dagster assets, one for each dimension made of it.

    Attributes:
        key: The stream that the list is landed under.
        open_pages: Gives the list's pages while it is open.
    """

    key: StreamKey
    recipes: Sequence[DimensionRecipe]
    open_pages: Callable[[], AbstractContextManager[Iterator[bytes]]]
    translator: Translator
    ticks: Ticks

    @property
    def assets(self) -> list[dg.AssetKey]:
        """Keys of the dimensions."""
        return [self.translator.key(self._told(recipe)) for recipe in self.recipes]

    def _told(self, recipe: DimensionRecipe) -> Told:
        return Told("dimensions", self.key.vendor, self.key.connection, recipe.name)

    @property
    def op_name(self) -> str:
        """Name of the step."""
        return f"{self.key.connection}__{self.key.stream}"

    @property
    def job_name(self) -> str:
        """Name of the job that pulls the list."""
        return f"{self.op_name}_pull"

    def definitions(self) -> dg.Definitions:
        """The step, its job and its daily schedule."""
        does, tags = f"Pulls the list {self.key} into dimensions.", tags_of(self.key.connection, self.key.stream)
        selection = dg.AssetSelection.assets(*self.assets)
        of_job = tags | {DOES: "pull"}
        job = dg.define_asset_job(self.job_name, selection=selection, description=does, tags=of_job)
        schedule = daily(f"{self.op_name}_daily", DIMENSIONS, self.ticks, does, tags=tags, job=job)
        return dg.Definitions(assets=[self._definition()], jobs=[job], schedules=[schedule])

    def _definition(self) -> dg.AssetsDefinition:
        specs = [
            self.translator.spec(
                self._told(recipe),
                description=f"The vendor's {recipe.name}, each in its latest version. Entries that the vendor no "
                "longer lists stay, because events may name them.",
            )
            for recipe in self.recipes
        ]

        @dg.multi_asset(
            name=self.op_name,
            specs=specs,
            pool=self.key.connection,
        )
        def dimensions(context: dg.AssetExecutionContext, config: ListConfig) -> Iterator[dg.MaterializeResult[Any]]:
            try:
                with self.open_pages() as pages:
                    rows = pull_dimensions(Lake(make_home()), self.key, pages, self.recipes)
            except Exception as error:
                passes = isinstance(error, TransientVendorError) and not error.of_connection
                if passes and context.retry_number < config.tries_later:
                    wait_s = FIRST_WAIT_S * 2**context.retry_number
                    raise dg.RetryRequested(max_retries=config.tries_later, seconds_to_wait=wait_s) from error
                raise failure(error, f"{self.key}: {text_of(error)}") from None
            for key, recipe in zip(self.assets, self.recipes, strict=True):
                context.log.info("%s: %d rows", key.to_user_string(), rows[recipe.name])
                yield dg.MaterializeResult(asset_key=key, metadata={"dagster/row_count": rows[recipe.name]})

        return dimensions
