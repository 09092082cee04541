"""Settings as people see them who write YAML: in the schema, in a new file, and on a page of all settings.

Dagster drops the description of a setting that has a default from a Component's schema, and its new file has no
settings. Not here: the settings themselves (`connections/`, the Components).
"""

import inspect
import json
import textwrap
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import dagster as dg
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from journey_pipeline.connections.connection import CONNECTION_NAME, START_FORMAT, Connection
from journey_pipeline.settings import utc_now, variable_name

PACKAGE = "journey_pipeline.components"
WIDTH = 118


class CommentedFile(dg.Scaffolder[Any]):
    """Writes a `defs.yaml` that loads, with the variables and each further setting as comments."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Writes the file; Dagster's own where Python is wanted, or a file is there already."""
        if request.scaffold_format != "yaml" or request.append:
            dg.scaffold_component(request)
            return
        text = "\n".join(_file(request.type_name, request.target_path.name)) + "\n"
        (request.target_path / "defs.yaml").write_text(text, encoding="utf-8")


@dg.scaffold_with(CommentedFile)
class Described(dg.Model, dg.Resolvable):
    """Settings whose descriptions reach the schema, and a new file of them."""

    @classmethod
    def model(cls) -> type[BaseModel]:
        """The class that Dagster checks YAML with, with all descriptions."""
        derived = super().model()
        lacking = [name for name, field in derived.model_fields.items() if not field.description]
        for name in lacking:
            derived.model_fields[name].description = cls.model_fields[name].description
        derived.model_config["json_schema_extra"] = _tell_what_is_wrong_within
        derived.model_rebuild(force=True)
        return derived


def _tell_what_is_wrong_within(schema: dict[str, Any]) -> None:
    """Lets a wrong setting within a setting be told, at its line.

    Dagster takes a template instead of each object, list and number, as `anyOf`. A check then says that nothing fits.
    """
    for setting in schema["properties"].values():
        match setting.get("anyOf"):
            case [wanted, {"type": "string"} as template]:
                del setting["anyOf"]
                setting |= {"if": template, "else": wanted}


def settings_page() -> str:
    """All settings of all Components, as Markdown."""
    lines = ["# Settings", "", "Made by `journey-pipeline docs`. Secrets and hosts are variables of the environment."]
    for name in import_module(PACKAGE).__all__:
        component = _component(f"{PACKAGE}.{name}")
        lines += ["", f"## {name}", "", inspect.cleandoc(component.__doc__ or ""), ""]
        lines += [*_table(component)]
    return "\n".join(lines) + "\n"


def _table(component: type[BaseModel], prefix: str = "") -> Iterator[str]:
    if not prefix:
        yield from ("| setting | default | is |", "|---|---|---|")
    for name, field in component.model_fields.items():
        nested = field.annotation if inspect.isclass(field.annotation) else None
        says = (field.description or "").replace("|", "\\|")
        yield f"| `{prefix}{name}` | {_default(field, '*required*', '`{}`')} | {says} |"
        if nested and issubclass(nested, BaseModel):
            yield from _table(nested, f"{prefix}{name}.")


def _default(field: FieldInfo, required: str, form: str) -> str:
    if field.is_required():
        return required
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return form.format("{}")
    return form.format(json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False))


def _file(type_name: str, folder: str) -> Iterator[str]:
    """The lines of a new file; a folder gives its connection the name."""
    component = _component(type_name)
    yield from _comment(inspect.cleandoc(component.__doc__ or "").partition("\n\n")[0])
    given: dict[str, str] = {}
    if issubclass(component, Connection):
        name = folder if CONNECTION_NAME.fullmatch(folder) else component.vendor
        given = {"connection": name, "start": f'"{utc_now().replace(hour=0, minute=0).strftime(START_FORMAT)}"'}
        needed, others = (
            ", ".join(variable_name(name, field) for field in fields)
            for fields in (component.required_variables, component.optional_variables)
        )
        yield from _comment(f"Variables, in the environment or in .env: {needed}. Optional: {others}.")
    yield from (f"type: {type_name}", "", "attributes:" if given else "attributes: {}")
    for name, field in component.model_fields.items():
        yield from _comment(field.description or "", "  ")
        yield f"  {name}: {given[name]}" if name in given else f"  # {name}: {_default(field, '', '{}')}"


def _comment(text: str, indent: str = "") -> Iterator[str]:
    yield from textwrap.wrap(text, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _component(type_name: str) -> type[BaseModel]:
    module, _, name = type_name.rpartition(".")
    component: type[BaseModel] = getattr(import_module(module), name)
    return component
