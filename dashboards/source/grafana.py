"""Turns a dashboard into Grafana's classic JSON, which Grafana 10 to 13 load."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.builders import bargauge, common, heatmap, prometheus, stat, table, text, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as shared
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.text import TextMode

from dashboards.source.panels import GRID_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboards.source.panels import Board, Limits, Mark, Panel, Query, Variable

DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
GUIDE_HEIGHT = 3


def to_json(board: Board) -> str:
    plain = _tidy(_dashboard(board).build())
    plain["annotations"] = {"list": [_mark(mark) for mark in board.marks]}
    return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"


def _mark(mark: Mark) -> dict[str, Any]:
    """With what Prometheus' own kind of annotation has besides, which the builder does not know."""
    query = model.AnnotationQuery(name=mark.name, datasource=DATASOURCE, icon_color=mark.colour, expr=mark.expr)
    known: dict[str, Any] = json.loads(json.dumps(query, cls=JSONEncoder))
    shown = {"step": "5s", "titleFormat": mark.title, "textFormat": "{{server}} {{strategy}}", "tagKeys": "case"}
    return {**known, **shown, "useValueForTime": True}


def _tidy(dashboard: model.Dashboard) -> dict[str, Any]:
    """Without what the builder fills in and Grafana has no use for."""
    plain: dict[str, Any] = json.loads(json.dumps(dashboard, cls=JSONEncoder))
    for variable in plain["templating"]["list"]:
        for key in ("id", "auto", "auto_min", "auto_count"):
            variable.pop(key, None)
    plain.pop("style", None)
    return plain


def _dashboard(board: Board) -> build.Dashboard:
    dashboard = (
        build.Dashboard(board.title)
        .uid(board.uid)
        .description(board.question)
        .tags(list(board.tags))
        .readonly()
        .time(board.since, "now")
        .refresh(board.refresh)
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .variables([_datasource(), *(_variable(one) for one in board.variables)])
        .links([_link_to_the_others()])
        .with_panel(_guide(board))
    )
    for number, entry in enumerate(_entries(board), start=2):
        if isinstance(entry, build.Row):
            dashboard.with_row(entry.id(number))
        else:
            dashboard.with_panel(_panel(entry).id(number))
    return dashboard


def _entries(board: Board) -> Iterator[build.Row | Panel]:
    for row in board.rows:
        yield build.Row(row.title)
        yield from row.panels


def _datasource() -> build.DatasourceVariable:
    return build.DatasourceVariable("datasource").label("Data source").type("prometheus")


def _variable(variable: Variable) -> build.QueryVariable:
    order = model.VariableSort.ALPHABETICAL_DESC if variable.from_the_end else model.VariableSort.ALPHABETICAL_ASC
    built = (
        build.QueryVariable(variable.name)
        .label(variable.title)
        .query(f"label_values({variable.source}, {variable.label})")
        .datasource(DATASOURCE)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(order)
        .multi(variable.several)
        .include_all(variable.several)
    )
    return built.all_value(".+").current(_everything()) if variable.several else built


def _everything() -> model.VariableOption:
    return model.VariableOption(selected=True, text=["All"], value=["$__all"])


def _link_to_the_others() -> build.DashboardLink:
    return (
        build.DashboardLink("loadlab")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags(["loadlab"])
        .as_dropdown(True)  # noqa: FBT003  the builder's own signature
        .keep_time(True)  # noqa: FBT003
    )


def _guide(board: Board) -> text.Panel:
    return (
        text.Panel()
        .id(1)
        .title(board.question)
        .description("How to read this dashboard.")
        .mode(TextMode.MARKDOWN)
        .content(board.guide)
        .span(GRID_COLUMNS)
        .height(GUIDE_HEIGHT)
    )


def _panel(panel: Panel) -> Any:  # noqa: ANN401  the builders of all kinds have these methods, and no base in common
    built = _KINDS[panel.kind](panel)
    built.title(panel.title).description(panel.description).datasource(DATASOURCE)
    built.span(panel.width).height(panel.height).unit(panel.unit)
    for place, query in enumerate(panel.queries):
        built.with_target(_target(panel, query, _ref(place)))
        if query.unit:
            built.override_by_name(query.name, [model.DynamicConfigValue(id_val="unit", value=query.unit)])
    for name, colour in panel.colours.items():
        fixed = {"mode": "fixed", "fixedColor": colour}
        built.override_by_name(name, [model.DynamicConfigValue(id_val="color", value=fixed)])
    if panel.limits:
        built.thresholds(_thresholds(panel.limits))
    return built


def _ref(place: int) -> str:
    """A, B, C …: how Grafana names the queries of a panel.

    >>> _ref(2)
    'C'
    """
    return chr(ord("A") + place)


def _target(panel: Panel, query: Query, ref: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).ref_id(ref).datasource(DATASOURCE).legend_format(query.name)
    target = target.range() if panel.over_time else target.instant()
    form = {"table": PromQueryFormat.TABLE, "matrix": PromQueryFormat.TABLE, "heatmap": PromQueryFormat.HEATMAP}
    return target.format(form.get(panel.kind, PromQueryFormat.TIME_SERIES))


def _thresholds(limits: Limits) -> build.ThresholdsConfig:
    rising = limits.bad >= limits.doubtful
    colours = ("green", "yellow", "red") if rising else ("red", "yellow", "green")
    values = (None, *sorted((limits.doubtful, limits.bad)))
    steps = [model.Threshold(value=value, color=colour) for value, colour in zip(values, colours, strict=True)]
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _last_value() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)  # noqa: FBT003


def _timeseries(panel: Panel) -> timeseries.Panel:
    built = (
        timeseries.Panel()
        .legend(
            common.VizLegendOptions()
            .display_mode(shared.LegendDisplayMode.TABLE)
            .placement(shared.LegendPlacement.BOTTOM)
            .show_legend(True)  # noqa: FBT003
            .calcs(["max", "lastNotNull"])
        )
        .tooltip(common.VizTooltipOptions().mode(shared.TooltipDisplayMode.MULTI).sort(shared.SortOrder.DESCENDING))
        .min(0)
        .line_width(1)
        .fill_opacity(30 if panel.stacked else 5)
        .show_points(shared.VisibilityMode.AUTO)
        .span_nulls(False)  # noqa: FBT003
    )
    if panel.stacked:
        built.stacking(common.StackingConfig().mode(shared.StackingMode.NORMAL).group("A"))
    if panel.limits:
        built.thresholds_style(common.GraphThresholdsStyleConfig().mode(shared.GraphTresholdsStyleMode.LINE))
    return built if panel.highest is None else built.max(panel.highest)


def _stat(panel: Panel) -> stat.Panel:
    return (
        stat.Panel()
        .reduce_options(_last_value())
        .graph_mode(shared.BigValueGraphMode.NONE)
        .color_mode(shared.BigValueColorMode.VALUE if panel.limits else shared.BigValueColorMode.NONE)
        .text_mode(shared.BigValueTextMode.AUTO)
        .no_value("none")
    )


def _bargauge(panel: Panel) -> bargauge.Panel:
    built = (
        bargauge.Panel()
        .reduce_options(_last_value())
        .orientation(shared.VizOrientation.HORIZONTAL)
        .display_mode(shared.BarGaugeDisplayMode.BASIC)
        .show_unfilled(True)  # noqa: FBT003
        .min(0)
    )
    return built if panel.highest is None else built.max(panel.highest)


def _heatmap(_: Panel) -> heatmap.Panel:
    return (
        heatmap.Panel()
        .calculate(False)  # noqa: FBT003  the buckets come from Prometheus
        .color(
            heatmap.HeatmapColorOptions()
            .mode(HeatmapColorMode.SCHEME)
            .scheme("Oranges")
            .fill("dark-orange")
            .exponent(0.5)
            .steps(64)
            .reverse(False)  # noqa: FBT003
        )
        .y_axis(heatmap.YAxisConfig().unit("s").axis_placement(shared.AxisPlacement.LEFT))
        .cell_gap(1)
        .show_tooltip()
    )


def _table(panel: Panel) -> table.Panel:
    """One row per arm, one column per query."""
    built = table.Panel().show_header(True).with_transformation(model.DataTransformerConfig(id_val="merge", options={}))  # noqa: FBT003
    names = {f"Value #{_ref(place)}": query.name for place, query in enumerate(panel.queries)}
    names |= {"Value": panel.queries[0].name} if len(panel.queries) == 1 else {}
    order = {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": names}
    built.with_transformation(model.DataTransformerConfig(id_val="organize", options=order))
    return built


def _matrix(panel: Panel) -> table.Panel:
    """One row per value of a label, one column per value of another."""
    shape = {"rowField": panel.rows, "columnField": panel.columns, "valueField": "Value", "emptyValue": "null"}
    built = table.Panel().show_header(True)  # noqa: FBT003
    built.with_transformation(model.DataTransformerConfig(id_val="groupingToMatrix", options=shape))
    if panel.limits:
        coloured = model.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-background"})
        built.override_by_field_type("number", [coloured])
    return built


_KINDS: dict[str, Any] = {
    "timeseries": _timeseries,
    "stat": _stat,
    "bargauge": _bargauge,
    "heatmap": _heatmap,
    "table": _table,
    "matrix": _matrix,
}
