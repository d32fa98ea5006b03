"""`python -m ci capacity`: does everything fit the nodes described, and what does it cost."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ci.platform.capacity import gather, output, pages
from ci.platform.capacity.eksctl import load_cluster
from ci.platform.capacity.prices import load_prices
from ci.tree import overlays


@click.command(help="Say whether everything fits the nodes described, how full, and at what price.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.option(
    "--cluster",
    "cluster_file",
    type=click.Path(path_type=Path),
    show_default=gather.CLUSTER,
    help="Another eksctl file, to try a change.",
)
@click.option("--write-docs", is_flag=True, help="Renew the figures in docs/nodes.md and cost.md.")
@overlays.root_option
@click.pass_context
def command(
    context: click.Context, form: str, cluster_file: Path | None, write_docs: bool, root: Path
) -> None:
    cluster = load_cluster(cluster_file or root / gather.CLUSTER)
    prices = load_prices(root / gather.PRICES)
    tree = pages.survey(gather.gather(root, cluster), cluster, prices)
    if write_docs:
        for path, text in pages.renewed(root, tree).items():
            path.write_text(text, encoding="utf-8")
    verdict = tree.verdict
    click.echo(
        json.dumps(output.as_json(verdict), indent=2) if form == "json" else output.text(verdict)
    )
    if not verdict.fits:
        context.exit(1)
