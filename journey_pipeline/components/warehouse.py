"""The Component of the warehouse: the tables that analysts read, synced whenever any events are new.

Not here: how a sync works (`warehouse/`), what events are (`load_assets.py`).
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import dagster as dg
from pydantic import Field

from journey_pipeline.components.connection import connections_in
from journey_pipeline.components.described import Described
from journey_pipeline.components.recording import SAYS
from journey_pipeline.components.reports import REPORTS_ASSET, report_definitions
from journey_pipeline.components.standing_checks import agreement_result, agreement_spec
from journey_pipeline.components.translator import DOES, TRANSLATION, Told, Translation, Translator
from journey_pipeline.connections.connection import memory_setting
from journey_pipeline.connections.project import streams_of
from journey_pipeline.errors import JourneyError
from journey_pipeline.files import naming_disk_troubles
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.bring_over import Configured, bring_over
from journey_pipeline.loading.lists import list_exports
from journey_pipeline.settings import ledger_url, make_home
from journey_pipeline.warehouse.connection import WarehouseSettings
from journey_pipeline.warehouse.dictionary import previews, written_types
from journey_pipeline.warehouse.equality import EqualityReport, compare_with_lake
from journey_pipeline.warehouse.publish import publish
from journey_pipeline.warehouse.questions import AgreementTolerance, published, read_agreements
from journey_pipeline.warehouse.schema import EVENTS, LOADED_TABLES, made_tables
from journey_pipeline.warehouse.sync import SyncReport, sync
from journey_pipeline.warehouse.table import Table

WAREHOUSE_POOL = "warehouse"
WAREHOUSE_OP = "warehouse"
WAREHOUSE_JOB = "warehouse_sync"
EQUALS_LAKE = "warehouse_equals_lake"
SHOWN_SCHEMAS = ("core", "marts")

log = logging.getLogger(__name__)


class SyncConfig(dg.Config):
    """Settings of one sync."""

    remove: bool = Field(default=False, description="Whether the warehouse drops all data that is gone from the lake.")


class JourneyWarehouse(Described, dg.Component):
    """The DuckDB warehouse over all connections, and the file for analysts.

    Defines an asset for each table: warehouse/journey_events, its dimensions, and the marts. New events of any
    connection start a sync, even if the run that made them failed later. Then journeys.duckdb is published. After each
    sync, warehouse_equals_lake compares the warehouse with the lake, and the_two_exports_agree compares streams that
    report the same events.
    """

    memory: str = memory_setting(WarehouseSettings().memory, "Memory limit of DuckDB during a sync.")
    threads: int = Field(2, ge=1, description="Threads of DuckDB during a sync; one is enough for few new events.")
    owners: Sequence[str] = Field(
        default_factory=list, description="Owners of the assets: e-mail addresses or team:name."
    )
    sync_automatically: bool = Field(default=True, description="Whether new events start a sync.")
    removable: float = Field(
        WarehouseSettings().removable,
        ge=0,
        le=1,
        description="Largest share of a stream's partitions that a sync removes once they are gone from the "
        "lake. More is removed only by `journey-pipeline sync --remove`.",
    )
    exports_may_differ_by: float = Field(
        AgreementTolerance().share,
        ge=0,
        le=1,
        description="Largest accepted share of a day's events that only one of two streams reports.",
    )

    translation: Translation = Field(None, description=TRANSLATION)

    @cached_property
    def translator(self) -> Translator:
        """Decides keys, groups, kinds, owners and tags of all tables."""
        return Translator(frozenset(), tuple(self.owners), self.translation)

    @property
    def tables(self) -> list[Table]:
        """The tables that are assets, the events first."""
        tables = (table for table in (*LOADED_TABLES, *made_tables()) if not table.arguments)
        shown = (table for table in tables if table.name.split(".")[0] in SHOWN_SCHEMAS)
        return [EVENTS, *(table for table in shown if table is not EVENTS)]

    @property
    def keys(self) -> list[dg.AssetKey]:
        """The assets of all tables, and of the reports."""
        return [*self.table_keys, self.translator.key(REPORTS_ASSET)]

    @property
    def table_keys(self) -> list[dg.AssetKey]:
        """The assets of all tables, that of the events first."""
        return [self.translator.key(told(table)) for table in self.tables]

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The warehouse's assets, their check and the sensor that syncs them."""
        connections = connections_in(context.component_tree)
        upstream = [assets.events for connection in connections for assets in connection.streams]
        upstream += [key for connection in connections for key in connection.dimension_keys]
        tables = dg.AssetSelection.assets(*self.table_keys)
        does, tags = "Syncs and publishes the warehouse.", {DOES: "sync"}
        job = dg.define_asset_job(WAREHOUSE_JOB, selection=tables, description=does, tags=tags)
        sensor = dg.AutomationConditionSensorDefinition(
            "warehouse_sync",
            target=tables,
            default_status=dg.DefaultSensorStatus.RUNNING,
            minimum_interval_seconds=30,
            run_tags=tags,  # it starts the assets themselves, not the job
            description="Syncs and publishes the warehouse when any events are new.",
        )
        configured = partial(streams_of, connections)
        synced = dg.Definitions(
            assets=[self._definition(upstream, configured)],
            jobs=[job],
            sensors=[sensor] if self.sync_automatically else [],
        )
        marts = [self.translator.key(told(table)) for table in self.tables if told(table).role == "marts"]
        return dg.Definitions.merge(synced, report_definitions(self.translator, marts))

    def _definition(self, upstream: Sequence[dg.AssetKey], configured: Configured) -> dg.AssetsDefinition:
        settings = WarehouseSettings(memory=self.memory, threads=self.threads, removable=self.removable)
        tolerance = AgreementTolerance(share=self.exports_may_differ_by)
        events = self.translator.key(told(EVENTS))
        tables = dict(zip(self.table_keys, self.tables, strict=True))

        @dg.multi_asset(
            name=WAREHOUSE_OP,
            specs=[self._spec(table, upstream) for table in self.tables],
            check_specs=[
                dg.AssetCheckSpec(
                    EQUALS_LAKE,
                    asset=events,
                    description="The warehouse holds exactly the events of the lake, each once.",
                ),
                agreement_spec(events),
            ],
            pool=WAREHOUSE_POOL,
        )
        def warehouse(context: dg.AssetExecutionContext, config: SyncConfig) -> Iterator[dg.MaterializeResult[Any]]:
            yield from _sync(context, replace(settings, remove=config.remove), tolerance, tables, configured)

        return warehouse

    def _spec(self, table: Table, upstream: Sequence[dg.AssetKey]) -> dg.AssetSpec:
        events_are_new = dg.AutomationCondition.any_deps_updated().since_last_handled()
        types = written_types().get(table.name, {})
        columns = [dg.TableColumn(c.name, types.get(c.name, "unknown"), description=c.comment) for c in table.columns]
        return self.translator.spec(
            told(table),
            deps=upstream if table is EVENTS else [self.translator.key(told(EVENTS))],
            description=table.comment,
            automation_condition=events_are_new & ~dg.AutomationCondition.in_progress() if table is EVENTS else None,
            metadata={
                "dagster/table_name": f"journeys.{table.name}",
                "dagster/column_schema": dg.TableSchema(columns),
            },
        )


def told(table: Table) -> Told:
    """The facts about a table for the translator: its role is `marts` or `warehouse`."""
    schema, name = table.name.split(".")
    return Told("marts" if schema == "marts" else "warehouse", name=name)


def _sync(
    context: dg.AssetExecutionContext,
    settings: WarehouseSettings,
    tolerance: AgreementTolerance,
    tables: Mapping[dg.AssetKey, Table],
    configured: Configured,
) -> Iterator[dg.MaterializeResult[Any]]:
    lake = Lake(make_home())
    brought: list[str] = []
    try:
        with naming_disk_troubles("syncing the warehouse", lake.home):
            list_exports(lake, ledger_url())
            report = sync(lake, settings, before_anew=lambda: brought.extend(bring_over(lake, configured).says))
            equality = compare_with_lake(lake, settings, report.listing)
            public = publish(lake, settings)
            agreements = read_agreements(lake, tolerance, settings)
            with published(lake) as warehouse:
                shown = previews(warehouse, tables.values())
    except JourneyError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    for broken in report.broken:
        context.log.warning("%s", broken)
    if report.rebuilt:
        log.warning("the warehouse was made anew from the lake: %s", report.rebuilt)
    context.log.info("%s; %s", report, "published" if public.published else "nothing new to publish")
    for said in [*brought, *public.mended]:
        context.log.warning("%s", said)
    for key, table in tables.items():
        is_events = table is EVENTS
        yield dg.MaterializeResult(
            asset_key=key,
            metadata=_metadata(report, equality, [*brought, *public.mended])
            if is_events
            else _preview(shown.get(table.name)),
            check_results=(
                [_equals_lake(key, report, equality), agreement_result(key, agreements, tolerance)] if is_events else []
            ),
        )


def _preview(rows: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    return {"preview": dg.MetadataValue.table([dg.TableRecord(row) for row in rows])} if rows else {}


def _metadata(report: SyncReport, equality: EqualityReport, more: Sequence[str]) -> dict[str, Any]:
    return {
        SAYS: "\n".join([str(report), *more]),
        "dagster/row_count": equality.events,
        "files_added": report.added,
        "files_replaced": report.replaced,
        "files_removed": report.removed,
        "rows_inserted": report.rows_inserted,
        "rows_deleted": report.rows_deleted,
        "days_touched": report.days_touched,
        "seconds": round(report.seconds, 3),
        **({"rebuilt": report.rebuilt} if report.rebuilt else {}),
    }


def _equals_lake(key: dg.AssetKey, report: SyncReport, equality: EqualityReport) -> dg.AssetCheckResult:
    is_under_way = {*equality.under_way}
    broken = [file for file in report.broken if not (file.is_passing or file.partition in is_under_way)]
    problems = list(dict.fromkeys([*equality.problems, *map(str, broken)]))
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=EQUALS_LAKE,
        passed=not problems,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(problems[:5]) or f"{equality.events:,} events, as in the lake",
        metadata={"events": equality.events, "partitions_under_way": len(is_under_way)},
    )
