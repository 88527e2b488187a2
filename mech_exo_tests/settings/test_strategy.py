"""The strategy file: defaults load, overrides change just what they name, and a mistake is answered in one line."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import hypothesis
import pytest
import yaml
from hypothesis import strategies as st
from pydantic import ValidationError

import mech_exo_assets
from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.settings import MAX_FORWARD_SESSIONS, load_strategy

STRATEGY_FILE = Path(mech_exo_assets.__file__).parent / "strategy.yaml"


@pytest.fixture
def override(tmp_path):
    """The strategy with the given text as configuration file."""

    def load(text: str | bytes):
        path = tmp_path / "mine.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_strategy(path)

    return load


def leaves(mapping: dict, prefix: str = "") -> list[str]:
    return [
        leaf
        for key, value in mapping.items()
        for leaf in (leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"])
    ]


def test_the_defaults_are_what_the_file_says():
    content = yaml.safe_load(STRATEGY_FILE.read_text(encoding="utf-8"))
    assert load_strategy().model_dump(mode="json") == content


def test_every_key_of_the_strategy_file_is_explained_on_its_line():
    # By section: ic.min_names and scores.min_names are two keys.
    section: list[tuple[int, str]] = []
    unexplained = []
    for line in STRATEGY_FILE.read_text(encoding="utf-8").splitlines():
        written = line.split("#")[0]
        if ":" not in written:
            continue
        depth = len(written) - len(written.lstrip())
        section = [each for each in section if each[0] < depth] + [(depth, written.split(":")[0].strip())]
        if "#" not in line:
            unexplained.append(".".join(name for _, name in section))
    content = yaml.safe_load(STRATEGY_FILE.read_text(encoding="utf-8"))
    assert set(unexplained) & set(leaves(content)) == {"seed"}


def test_an_override_changes_just_the_key_that_it_names(override):
    default, changed = load_strategy().model_dump(), override("construction: {kind: long_only}\nexecution_lag: 2").model_dump()
    assert changed["construction"] == default["construction"] | {"kind": "long_only"}
    assert changed["execution_lag"] == 2
    for key in set(default) - {"construction", "execution_lag"}:
        assert changed[key] == default[key]


@pytest.mark.parametrize("text", ["", "# nothing here\n", "{}"])
def test_an_empty_override_changes_nothing(override, text):
    assert override(text) == load_strategy()


def test_weights_can_be_equal_or_a_mapping(override):
    assert override("composite: {weights: {momentum_12_1: 2, size: -1}}").composite.weights == {"momentum_12_1": 2.0, "size": -1.0}
    assert override("composite: {weights: equal}").composite.weights == "equal"


@hypothesis.settings(max_examples=25)
@hypothesis.given(st.lists(st.integers(1, 200), min_size=1, max_size=8))
def test_horizons_are_sorted_and_distinct(tmp_path_factory, horizons):
    path = tmp_path_factory.mktemp("config") / "mine.yaml"
    path.write_text(f"horizons: {horizons}", encoding="utf-8")
    assert load_strategy(path).horizons == tuple(sorted(set(horizons)))


def test_factors_are_watched_on_the_shortest_horizon_unless_another_is_chosen(override):
    assert override("horizons: [5, 21]").monitored_horizon == 5
    assert override("decay: {horizon: 21}").monitored_horizon == 21


def test_lags_are_sorted_and_distinct(override):
    assert override("decay: {lags: [8, 0, 2, 8, 4]}").decay.lags == (0, 2, 4, 8)


def test_lag_and_longest_horizon_fill_the_year_and_no_more(override):
    assert override(f"execution_lag: 3\nhorizons: [{MAX_FORWARD_SESSIONS - 3}]").horizons == (MAX_FORWARD_SESSIONS - 3,)
    with pytest.raises(InputError) as refusal:
        override(f"execution_lag: 4\nhorizons: [{MAX_FORWARD_SESSIONS - 3}]")
    assert str(refusal.value).endswith(
        "mine.yaml: execution_lag and the longest horizon together may be at most 240 sessions. Correct the value and run again."
    )


def test_numbers_in_scientific_notation_are_numbers(override):
    assert override("backtest: {initial_nav: 1e6}").backtest.initial_nav == 1_000_000.0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("exec_lag: 1", "unknown key 'exec_lag'; did you mean 'execution_lag'?"),
        ("costs: {comission_bps: 1}", "unknown key 'costs.comission_bps'; did you mean 'costs.commission_bps'?"),
        ("zzz: 1", "unknown key 'zzz'; known here: alerts, backtest, calendar, composite, construction, costs, "),
        ("costs: {zzz: 1}", "unknown key 'costs.zzz'; known here: borrow_bps, cash_interest_bps, commission_bps, "),
        ("2020: 1", "unknown key '2020'; known here: "),
        ("execution_lag: -1", "execution_lag: Input should be greater than or equal to 0 (got -1). Correct the value and run again."),
        ("execution_lag: 1.5", "execution_lag: Input should be a valid integer, got a number with a fractional part (got 1.5)."),
        ("horizons: []", "horizons: Tuple should have at least 1 item after validation, not 0 (got [])."),
        ("horizons: [1, 0]", "horizons.1: Input should be greater than 0 (got 0)."),
        ("horizons: [1, x]", "horizons.1: Input should be a valid integer, unable to parse string as an integer (got 'x')."),
        ("seed: 1\nseed: 2", "not YAML (the key 'seed' stands there twice"),
        ("costs: {impact: 1, impact: 2}", "not YAML (the key 'impact' stands there twice"),
        ("construction: {neutral: beta}", "construction.neutral: a list is wanted here, e.g. [beta]"),
        ("costs: 5", "costs: Input should be a valid dictionary or instance of Costs (got 5)."),
        ("costs: {commission_bps: .nan}", "costs.commission_bps: Input should be a finite number (got nan)."),
        ("costs: {commission_bps: .inf}", "costs.commission_bps: Input should be a finite number (got inf)."),
        (
            "construction: {kind: long}",
            "construction.kind: Input should be 'long_short', 'quantile', 'extension', 'long_only' or 'top_n' (got 'long').",
        ),
        ("construction: {quantile: 0}", "construction.quantile: Input should be greater than 0 (got 0)."),
        ("scores: {winsorise: 0.5}", "scores.winsorise: Input should be less than 0.5 (got 0.5)."),
        ("decay: {residual: [beta]}", "decay.residual.0: Input should be 'market', 'sector' or 'factors' (got 'beta')."),
        ("decay: {detector: page}", "decay.detector: Input should be 'cusum' or 'shiryaev_roberts' (got 'page')."),
        ("decay: {false_alarms_per_year: 0}", "decay.false_alarms_per_year: Input should be greater than 0 (got 0)."),
        (
            "decay: {false_alarms_per_year: 12}",
            "decay: watches_per_year: 12 must be above false_alarms_per_year: 12, so that a factor is watched before it is called decayed",
        ),
        ("decay: {lags: [0, 1, 5]}", "decay.lags: Tuple should have at least 4 items after validation, not 3 (got [0, 1, 5])."),
        ("decay: {lags: [0, 1, 5, 239]}", "execution_lag and the longest of decay.lags together may be at most 239 sessions"),
        ("decay: {horizon: 2}", "decay.horizon: 2 is none of the horizons [1, 5, 10, 21, 63]; take one of them"),
        ("ic: {min_names: 2}", "ic.min_names: Input should be greater than or equal to 3 (got 2)."),
        ("composite: {weights: equl}", "composite.weights: Input should be 'equal' or Input should be a valid dictionary (got 'equl')."),
        (
            "composite: {weights: {a: x}}",
            "composite.weights.a: Input should be a valid number, unable to parse string as a number (got 'x').",
        ),
        ("composite: {weights: {a: .nan}}", "composite.weights.a: Input should be a finite number (got nan)."),
        ("composite: {weights: {a: 0}}", "composite.weights: needs at least one factor whose weight is not zero (got {'a': 0})."),
        ("composite: {weights: {}}", "composite.weights: needs at least one factor whose weight is not zero (got {})."),
        ("factors: {exclude: size}", "factors.exclude: Input should be a valid tuple (got 'size')."),
        ("seed: -1", "seed: Input should be greater than or equal to 0 (got -1)."),
        ("- a\n- b", "holds a list, and must hold keys and values, e.g. 'execution_lag: 1'."),
        ("just words", "holds a str, and must hold keys and values"),
        ("backtest: {flows: {2010-13-01: 5}}", "not YAML (month must be in 1..12). Correct the file and run again."),
        ("a: [", "not YAML (while parsing a flow node expected the node content, but found '<stream end>' "),
        (b"\xff\xfe\x00", "the configuration cannot be read (it is not UTF-8 text). Give an existing YAML file with --config."),
    ],
)
def test_a_mistake_is_named_in_one_line_with_file_key_and_mend(override, text, complaint):
    with pytest.raises(InputError) as refusal:
        override(text)
    message = str(refusal.value)
    assert f"mine.yaml: {complaint}" in message
    assert "\n" not in message


def refused(override, text: str) -> str:
    with pytest.raises(InputError) as refusal:
        override(text)
    message = str(refusal.value)
    assert "\n" not in message
    assert message.endswith(". Correct the value and run again.")
    return message


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "kind: long_only, neutral: [beta]",
            "neutral: beta asks for shorts that balance the longs, and kind: long_only does not balance them; take kind: long_short",
        ),
        (
            "kind: top_n, neutral: [beta, sector]",
            "neutral: beta and sector asks for shorts that balance the longs, and kind: top_n does not",
        ),
        ("kind: extension, gross: 1.6, neutral: [sector]", "kind: extension does not balance them; take kind: long_short or quantile"),
        ("kind: quantile, quantile: 0.6", "kind: quantile with quantile: 0.6 would hold a name long and short at once; take at most 0.5"),
        ("kind: extension, gross: 0.6", "gross: 0.6 with short: 0.3 leaves longs of 0.3; raise gross or lower short"),
        ("kind: top_n, sizing: score", "sizing: score with kind: top_n would give a name that is held below the mean score"),
        ("sizing: kelly, volatility_target: 0.1", "sizing: kelly and volatility_target both say how large the whole portfolio is"),
        ("kind: extension, gross: 1.6, sizing: kelly", "says that longs are 1.3 and shorts 0.3, and sizing: kelly gives each name its own"),
        (
            "sizing: kelly, limits: {net: 0}",
            "so that limits.net: 0 would leave nothing to hold; take neutral: [sector], or raise limits.net",
        ),
        ("limits: {gross: 0.9}", "gross: 1 is above limits.gross: 0.9; lower gross or raise the limit"),
        (
            "kind: long_only, limits: {net: 0.5}",
            "the construction aims at a net weight of 1, above limits.net: 0.5; raise it or take another",
        ),
        ("kind: extension, gross: 1.6, limits: {net: 0.9}", "the construction aims at a net weight of 1, above limits.net: 0.9"),
        (
            "kind: top_n, limits: {name: 0.04}",
            "top_n.names: 20 names of at most limits.name: 0.04 each cannot reach gross: 1; raise one of",
        ),
        ("limits: {name: 0.02}, no_trade_band: 0.02", "no_trade_band: 0.02 is not below limits.name: 0.02, so that no name would ever be"),
        (
            "kind: top_n, no_trade_band: 0.06",
            "no_trade_band: 0.06 is above 0.05, the largest weight that a name can be given, so that none",
        ),
        ("no_trade_band: 0.6", "no_trade_band: 0.6 is above 0.5, the largest weight that a name can be given"),
        ("kind: extension, gross: 1.6, no_trade_band: 1.4", "no_trade_band: 1.4 is above 1.3, the largest weight"),
        ("kind: long_only, no_trade_band: 1.1", "no_trade_band: 1.1 is above 1, the largest weight"),
        ("sizing: kelly, no_trade_band: 1.1", "no_trade_band: 1.1 is above 1, the largest weight"),
    ],
)
def test_a_construction_that_contradicts_itself_is_refused(override, text, complaint):
    message = refused(override, f"construction: {{{text}}}")
    assert "mine.yaml: construction: " in message
    assert complaint in message


def test_all_contradictions_of_a_construction_are_told_at_once(override):
    message = refused(override, "construction: {kind: extension, gross: 0.5, neutral: [beta], limits: {gross: 0.4}}")
    assert [part in message for part in ("neutral: beta", "leaves longs of 0.2", "above limits.gross: 0.4")] == [True] * 3


@pytest.mark.parametrize(
    "text",
    [
        "kind: quantile, quantile: 0.5, neutral: [beta, sector]",
        "kind: extension, gross: 1.6, short: 0.3, limits: {net: 1.0, gross: 1.6}",
        "kind: top_n, limits: {name: 0.05}",
        "kind: top_n, sizing: kelly, limits: {name: 0.01}",
        "kind: top_n, no_trade_band: 0.05",
        "kind: top_n, sizing: inverse_volatility, no_trade_band: 0.06",
        "kind: top_n, volatility_target: 0.3, no_trade_band: 0.06",
        "kind: long_only, quantile: 1, limits: {net: 1}",
        "limits: {net: 0}",
        "sizing: kelly, neutral: [sector], limits: {net: 0}",
        "no_trade_band: 0.5",
    ],
)
def test_a_construction_at_the_edge_is_accepted(override, text):
    override(f"construction: {{{text}}}")


@pytest.mark.parametrize(
    ("kind", "net", "largest"),
    [("long_short", 0.0, 0.8), ("quantile", 0.0, 0.8), ("extension", 1.0, 1.3), ("long_only", 1.6, 1.6), ("top_n", 1.6, 0.08)],
)
def test_what_a_construction_aims_at(override, kind, net, largest):
    construction = override(f"construction: {{kind: {kind}, gross: 1.6}}").construction
    assert construction.net == pytest.approx(net, abs=1e-15)
    assert construction.largest_weight == pytest.approx(largest)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "costs: {cash_interest_bps: 150}",
            "costs: cash_interest_bps: 150 is above debit_interest_bps: 100, so that borrowing cash to hold it would earn money; lower",
        ),
        (
            "costs: {commission_bps: 6000, half_spread_bps: 4000}",
            "costs: commission_bps and half_spread_bps together are 10000 basis points, and 10000 are all that is traded; lower them",
        ),
        ("costs: {participation: 0}", "costs.participation: Input should be greater than 0 (got 0)."),
        ("costs: {participation: 1.5}", "costs.participation: Input should be less than or equal to 1 (got 1.5)."),
        ("costs: {borrow_bps: -1}", "costs.borrow_bps: Input should be greater than or equal to 0 (got -1)."),
        ("backtest: {initial_nav: 0}", "backtest.initial_nav: Input should be greater than 0 (got 0)."),
        ("backtest: {execute_at: noon}", "backtest.execute_at: Input should be 'close' or 'open' (got 'noon')."),
        ("backtest: {flows: {soon: 5}}", "backtest.flows.soon: Input should be a valid date or datetime, input is too short (got 'soon')."),
        ("backtest: {flows: {2010-01-04: .inf}}", "backtest.flows.2010-01-04: Input should be a finite number (got inf)."),
        ("walk_forward: {train_months: 0}", "walk_forward.train_months: Input should be greater than 0 (got 0)."),
        ("walk_forward: {fit: best}", "walk_forward.fit: Input should be 'configured' or 'mean_ic' (got 'best')."),
        ("walk_forward: {horizon: 7}", "walk_forward.horizon: 7 is none of the horizons [1, 5, 10, 21, 63]; take one of them."),
        (
            "walk_forward: {train_months: 2, embargo: 24}",
            (
                "walk_forward.train_months: 2 are at most 46 sessions, and execution_lag, the horizon that is fitted on and "
                "walk_forward.embargo leave 46 of them out; take more months, or a shorter embargo or horizon."
            ),
        ),
        ("calendar: 24/7\nwalk_forward: {train_months: 1, embargo: 9}", "walk_forward.train_months: 1 are at most 31 sessions"),
        (
            "backtest: {execute_at: open}\nexecution_lag: 0",
            "backtest.execute_at: open with execution_lag: 0 would trade at the open on what is known at the close of that session; take",
        ),
        (
            "composite: {weights: {size: 1, momentum_12_1: 1}}\nfactors: {exclude: [size]}",
            "composite.weights gives size a weight, and factors.exclude leaves it out; take it from one of the two.",
        ),
        ("alerts: {sessions: 19}", "alerts.sessions: Input should be greater than or equal to 20 (got 19)."),
        ("alerts: {max_drawdown: 1}", "alerts.max_drawdown: Input should be less than 1 (got 1)."),
        ("alerts: {min_sharpe: low}", "alerts.min_sharpe: Input should be a valid number, unable to parse string as a number (got 'low')."),
    ],
)
def test_what_cannot_be_judged_is_refused(override, text, complaint):
    assert complaint in refused(override, text)


@pytest.mark.parametrize(
    "text",
    [
        "costs: {cash_interest_bps: 100}",
        "costs: {participation: null, impact: 0}",
        "backtest: {execute_at: open}",
        "walk_forward: {test_months: 6}",
        "walk_forward: {train_months: 2, embargo: 23}",
        "alerts: {min_sharpe: null, max_drawdown: null}",
    ],
)
def test_what_can_just_be_judged_is_accepted(override, text):
    override(text)


def test_flows_are_by_date(override):
    flows = override("backtest: {flows: {2010-01-04: 50000, 2015-06-01: -20000}}").backtest.flows
    assert flows == {dt.date(2010, 1, 4): 50_000.0, dt.date(2015, 6, 1): -20_000.0}


@pytest.mark.parametrize(
    ("text", "horizon"),
    [
        ("seed: 0", 21),
        ("walk_forward: {horizon: 63}", 63),
        ("horizons: [1, 5]", 5),
        ("horizons: [22, 63]", 22),
        ("horizons: [63, 21, 1]", 21),
    ],
)
def test_a_walk_forward_fits_on_the_chosen_horizon_or_the_longest_of_a_month(override, text, horizon):
    assert override(text).fit_horizon == horizon


def test_a_missing_file_or_a_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.yaml: the configuration cannot be read \(No such file or directory\)"):
        load_strategy(tmp_path / "nowhere.yaml")
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\). Give an existing YAML file with --config."):
        load_strategy(tmp_path)


def test_a_strategy_cannot_be_changed_after_loading():
    with pytest.raises(ValidationError):
        load_strategy().seed = 1


def test_a_broken_default_file_is_named(monkeypatch):
    monkeypatch.setattr("mech_exo_assets.settings.strategy._defaults", lambda: {"seed": 0})
    with pytest.raises(InputError, match=r"^strategy.yaml: Field required"):
        load_strategy()


def test_what_one_strategy_has_of_the_defaults_is_not_what_the_next_one_gets(tmp_path):
    (tmp_path / "mine.yaml").write_text("factors: {exclude: [beta]}\nbacktest: {flows: {2020-01-02: 5}}\n")
    before = load_strategy().model_dump()
    changed = load_strategy(tmp_path / "mine.yaml")
    assert changed.factors.exclude
    assert changed.backtest.flows
    dumped = load_strategy()
    dumped.backtest.flows[dt.date(2020, 1, 2)] = 5.0
    assert load_strategy().model_dump() == before


def test_wrong_input_is_one_of_our_errors():
    assert issubclass(InputError, MechExoError)
