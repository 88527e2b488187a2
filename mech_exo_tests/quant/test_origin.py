"""What is said of several years is what holds of any of them."""

from __future__ import annotations

from mech_exo_assets.quant.origin import Origin, joined


def test_absent_is_what_no_year_has():
    early = Origin(absent={"amihud": "needs volume", "beta": "needs prices"}, lineage={"size": ("a.b",)})
    late = Origin(absent={"beta": "needs prices"}, lineage={"size": ("a.b",), "amihud": ("a.volume",)})
    both = joined([early, late])
    assert dict(both.absent) == {"beta": "needs prices"}
    assert dict(both.lineage) == {"size": ("a.b",), "amihud": ("a.volume",)}


def test_of_one_part_it_is_the_same():
    one = Origin(absent={"x": "why"}, lineage={"y": ("z.y",)})
    assert (dict(joined([one]).absent), dict(joined([one]).lineage)) == (one.absent, one.lineage)
