"""What one more session costs, by length of the history: `python -m mech_exo_tests.benchmarks.day_more FOLDER`.

From a `files:` folder, the last five and all years; each is computed up to the session before the last, and then once more with it.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl


def _run(source: Path, home: Path) -> dict[str, object]:
    command = [sys.executable, "-m", "mech_exo_assets.cli", "run", "--source", f"files:{source}", "--home", str(home), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    """Print the seconds of the first run and of the day more, for both histories."""
    prices = pl.read_parquet(Path(sys.argv[1]) / "prices.parquet")
    last = prices["date"].max()
    for first_year in (last.year - 4, prices["date"].min().year):
        history = prices.filter(pl.col("date").dt.year() >= first_year)
        with tempfile.TemporaryDirectory() as folder:
            source, home = Path(folder) / "prices", Path(folder) / "home"
            source.mkdir()
            (source / "universe.csv").write_bytes((Path(sys.argv[1]) / "universe.csv").read_bytes())
            history.filter(pl.col("date") < last).write_parquet(source / "prices.parquet")
            whole = _run(source, home)
            history.write_parquet(source / "prices.parquet")
            day = _run(source, home)
        stages = ", ".join(f"{name} {seconds:.2f}" for name, seconds in sorted(day["stages"].items(), key=lambda item: -item[1])[:6])
        years = last.year - first_year + 1
        print(f"{years} years: whole {whole['seconds']:.1f} s; a day more {day['seconds']:.1f} s, years {day['years_computed']}")
        print(f"   slowest stages of the day more (s): {stages}")


if __name__ == "__main__":
    main()
