"""Settings and the strategy file: defaults load, overrides change just what they name, and a mistake is answered in one line."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
import yaml
from hypothesis import strategies as st
from pydantic import ValidationError

import mech_exo_assets
from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.settings import MAX_FORWARD_SESSIONS, Settings, load_settings, load_strategy

STRATEGY_FILE = Path(mech_exo_assets.__file__).parent / "strategy.yaml"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in ("HOME", "SOURCE", "CONFIG", "EXECUTOR"):
        monkeypatch.delenv(f"MECH_EXO_{name}", raising=False)


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
    lines = {
        line.split(":")[0].strip(): line for line in STRATEGY_FILE.read_text(encoding="utf-8").splitlines() if ":" in line.split("#")[0]
    }
    content = yaml.safe_load(STRATEGY_FILE.read_text(encoding="utf-8"))
    for leaf in set(leaves(content)) - {"seed"}:
        assert "#" in lines[leaf.rsplit(".", 1)[-1]], leaf


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
        ("costs: 5", "costs: Input should be a valid dictionary or instance of Costs (got 5)."),
        ("costs: {commission_bps: .nan}", "costs.commission_bps: Input should be a finite number (got nan)."),
        ("costs: {commission_bps: .inf}", "costs.commission_bps: Input should be a finite number (got inf)."),
        (
            "construction: {kind: long}",
            "construction.kind: Input should be 'long_short', 'quantile', 'extension', 'long_only' or 'top_n' (got 'long').",
        ),
        ("construction: {quantile: 0}", "construction.quantile: Input should be greater than 0 (got 0)."),
        ("scores: {winsorise: 0.5}", "scores.winsorise: Input should be less than 0.5 (got 0.5)."),
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


def test_a_missing_file_or_a_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.yaml: the configuration cannot be read \(No such file or directory\)"):
        load_strategy(tmp_path / "nowhere.yaml")
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\). Give an existing YAML file with --config."):
        load_strategy(tmp_path)


def test_a_strategy_cannot_be_changed_after_loading():
    with pytest.raises(ValidationError):
        load_strategy().seed = 1


def test_a_broken_default_file_is_named(monkeypatch):
    monkeypatch.setattr("mech_exo_assets.settings.strategy.yaml.safe_load", lambda _: {"seed": 0})
    with pytest.raises(InputError, match=r"^strategy.yaml: Field required"):
        load_strategy()


def test_without_variables_the_home_is_the_data_folder_of_the_checkout():
    settings = load_settings()
    assert settings.home == STRATEGY_FILE.parent.parent / "data"
    assert (settings.source, settings.config, settings.executor) == ("sample", None, "in_process")


def test_without_a_checkout_the_home_is_a_folder_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "mech_exo_assets.settings.installation.__file__",
        str(tmp_path / "site-packages" / "mech_exo_assets" / "settings" / "installation.py"),
    )
    assert Settings().home == Path.home() / ".mech-exo"


def test_everything_lies_below_the_home(tmp_path):
    settings = load_settings(home=tmp_path)
    assert settings.lake_path == tmp_path / "lake"
    assert settings.mart_path == tmp_path / "mech_exo.duckdb"
    assert settings.dagster_home == tmp_path / "dagster"


def test_variables_are_read_and_options_go_before_them(monkeypatch, tmp_path):
    monkeypatch.setenv("MECH_EXO_HOME", str(tmp_path / "variable"))
    monkeypatch.setenv("MECH_EXO_SOURCE", "files:prices")
    monkeypatch.setenv("MECH_EXO_EXECUTOR", "multiprocess")
    monkeypatch.setenv("MECH_EXO_SOMETHING_ELSE", "ignored")
    assert load_settings(source=None).source == "files:prices"
    settings = load_settings(home=tmp_path / "option", source="sample")
    assert (settings.home, settings.source, settings.executor) == (tmp_path / "option", "sample", "multiprocess")


def test_an_empty_variable_is_no_variable(monkeypatch):
    monkeypatch.setenv("MECH_EXO_HOME", "")
    monkeypatch.setenv("MECH_EXO_CONFIG", "")
    assert load_settings().home.name == "data"
    assert load_settings().config is None


def test_relative_paths_become_absolute_and_the_tilde_is_the_users_home(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = load_settings(home=Path("here"), config=Path("mine.yaml"))
    assert (settings.home, settings.config) == (tmp_path / "here", tmp_path / "mine.yaml")
    assert load_settings(home="~/there").home == Path.home() / "there"


def test_a_variable_that_is_not_accepted_is_named_with_its_option(monkeypatch):
    monkeypatch.setenv("MECH_EXO_EXECUTOR", "dask")
    with pytest.raises(InputError) as refusal:
        load_settings()
    assert str(refusal.value) == "MECH_EXO_EXECUTOR (--executor): Input should be 'in_process' or 'multiprocess' (got 'dask')."


@pytest.mark.parametrize("character", ["%", "[", "?", "*", "^", "|", "\\", "\t", "\n"])
def test_a_home_that_tables_cannot_be_stored_under_is_refused(tmp_path, character):
    with pytest.raises(InputError) as refusal:
        load_settings(home=tmp_path / f"my{character}home")
    assert str(refusal.value).startswith(
        f"MECH_EXO_HOME (--home): the tables cannot be stored under a path with {character!r}; choose another folder (got "
    )


def test_wrong_input_is_one_of_our_errors():
    assert issubclass(InputError, MechExoError)
