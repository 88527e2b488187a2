"""Each batch is held by one living owner and stored once: the contract of `TrialStore`, in memory and on both databases."""

from __future__ import annotations

import datetime as dt
import gc
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from mech_exo_assets.quant.weights.store import MemoryStore
from mech_exo_assets.storage.studies import owners
from mech_exo_assets.storage.studies import store as store_module
from mech_exo_assets.storage.studies.owners import is_gone, this_process
from mech_exo_tests.storage.searches import open_store, result, start, stored, trial, trials


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def store(request, tmp_path):
    if request.param == "memory":
        return MemoryStore()
    if request.param == "sqlite":
        return open_store(f"sqlite:///{tmp_path}/studies.db")
    return open_store(request.getfixturevalue("postgres").new_database())


def claims(store) -> dict[int, tuple[str, dt.datetime, bool]]:
    table = store._opened.tables.batches
    with store._opened.engine.connect() as connection:
        found = connection.execute(sa.select(table).where(table.c.study_id == store._id)).all()
    return {row.batch: (row.owner, row.lease_until, row.completed) for row in found}


def alter(store, batch: int, **values: object) -> None:
    table = store._opened.tables.batches
    with store_module.writing(store._opened.engine) as connection:
        assert (
            connection.execute(sa.update(table).where(table.c.study_id == store._id, table.c.batch == batch).values(values)).rowcount == 1
        )


class TestContract:
    def test_the_lowest_batch_that_is_free_is_claimed_and_none_when_there_is_none(self, store):
        assert [store.claim(3) for _ in range(4)] == [0, 1, 2, None]
        store.release(1)
        assert store.claim(3) == 1
        assert store.claim(4) == 3

    def test_what_is_completed_is_never_claimed_again_not_even_when_released(self, store):
        assert store.claim(2) == 0
        assert store.complete(0, trials(0))
        store.release(0)
        assert [store.claim(2), store.claim(2)] == [1, None]

    def test_a_search_is_finished_when_every_batch_is_completed(self, store):
        assert store.finished(0)
        for batch in (1, 0):
            assert not store.finished(2)
            assert store.complete(batch, trials(batch))
        assert store.finished(2)
        assert not store.finished(3)

    def test_trials_come_by_batch_and_slot_whatever_the_order_of_completion(self, store):
        for batch in (2, 0, 1):
            store.complete(batch, trials(batch))
        found = store.trials()
        assert [(each.user_attrs["batch"], each.user_attrs["slot"]) for each in found] == [(b, s) for b in range(3) for s in range(4)]
        assert [each.number for each in found] == [4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3]
        assert [each.values for each in found] == [each.values for batch in range(3) for each in trials(batch)]

    def test_a_batch_that_is_completed_twice_is_stored_once_and_the_second_is_told(self, store):
        assert store.complete(0, trials(0))
        assert not store.complete(0, trials(0))
        assert len(store.trials()) == 4

    def test_what_nobody_holds_can_be_released(self, store):
        store.release(5)
        assert store.claim(1) == 0

    @pytest.mark.parametrize("wrong", [[], [trial(1, 0)], [trial(0, 1)], [trial(0, 0), trial(0, 0)]])
    def test_what_is_not_one_whole_batch_is_refused(self, store, wrong):
        with pytest.raises(ValueError, match="batch 0"):
            store.complete(0, wrong)
        assert store.trials() == []

    def test_threads_claim_each_batch_once(self, store):
        claimed: list[int] = []

        def work() -> None:
            while (batch := store.claim(30)) is not None:
                claimed.append(batch)
                store.complete(batch, trials(batch, 2))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert sorted(claimed) == list(range(30))
        assert [each.user_attrs["batch"] for each in store.trials()] == [batch for batch in range(30) for _ in range(2)]


class TestLeases:
    def test_a_claim_whose_lease_has_run_out_is_taken_over_and_completed_once(self, url):
        first, second = open_store(url), open_store(url)
        assert first.claim(1) == 0
        assert second.claim(1) is None
        alter(first, 0, lease_until=dt.datetime.now(dt.UTC).replace(tzinfo=None) - dt.timedelta(seconds=1), owner="elsewhere:1:1")
        assert second.claim(1) == 0
        assert second.complete(0, trials(0))
        assert not first.complete(0, trials(0))
        assert len(stored(url)) == 4
        assert first.trials() == second.trials() == stored(url)

    def test_who_lost_the_claim_may_still_complete_first(self, url):
        first, second = open_store(url), open_store(url)
        assert first.claim(1) == 0
        alter(first, 0, lease_until=dt.datetime(2020, 1, 1), owner="elsewhere:1:1")  # noqa: DTZ001 - as stored
        assert second.claim(1) == 0
        assert first.complete(0, trials(0))
        assert not second.complete(0, trials(0))
        assert len(stored(url)) == 4

    def test_a_lease_lasts_a_minute_by_the_clock_of_the_database(self, url):
        store = open_store(url)
        store.claim(1)
        owner, until, completed = claims(store)[0]
        left = until - dt.datetime.now(dt.UTC).replace(tzinfo=None)
        assert (owner, completed) == (this_process(), False)
        assert dt.timedelta(seconds=50) < left <= dt.timedelta(seconds=60)

    def test_what_another_host_holds_waits_for_its_lease(self, url):
        store = open_store(url)
        store.claim(1)
        alter(store, 0, owner="elsewhere:1:1")
        assert store.claim(1) is None
        # Nor can it be released from here.
        store.release(0)
        assert store.claim(1) is None

    def test_what_a_process_of_this_host_held_that_is_gone_is_taken_over_at_once(self, url):
        store = open_store(url)
        store.claim(1)
        host, pid, began = this_process().rsplit(":", 2)
        alter(store, 0, owner=f"{host}:{pid}:{int(began) - 1}")  # the pid was given to this process later
        assert store.claim(1) == 0

    def test_claims_that_are_held_are_renewed_and_others_are_not(self, url, monkeypatch):
        monkeypatch.setattr(store_module, "RENEWAL_SECONDS", 0.02)
        store = open_store(url)
        assert [store.claim(3) for _ in range(3)] == [0, 1, 2]
        store.complete(1, trials(1))
        completed_until = claims(store)[1][1]
        old = dt.datetime(2020, 1, 1)  # noqa: DTZ001 - as stored
        alter(store, 0, lease_until=old)
        alter(store, 2, lease_until=old, owner="elsewhere:1:1")
        deadline = time.monotonic() + 20
        while claims(store)[0][1] == old and time.monotonic() < deadline:
            time.sleep(0.01)
        found = claims(store)
        assert found[0][1] > old
        assert found[1][1] == completed_until
        assert found[2][1] == old
        renewal = store._renewal
        store.release(0)
        store.release(2)
        renewal.join(20)
        assert not renewal.is_alive()

    def test_a_store_that_was_forgotten_renews_nothing(self, url, monkeypatch):
        monkeypatch.setattr(store_module, "RENEWAL_SECONDS", 0.02)
        store = open_store(url)
        store.claim(1)
        renewal = store._renewal
        del store
        gc.collect()
        renewal.join(20)
        assert not renewal.is_alive()

    def test_claims_go_with_a_study_that_is_deleted_and_the_store_says_so(self, url):
        import optuna

        from mech_exo_assets.errors import InputError

        store = open_store(url)
        store.complete(0, trials(0))
        store.claim(2)
        optuna.delete_study(study_name="search", storage=store._opened.storage)
        with pytest.raises(InputError, match="'search' was deleted"):
            store.claim(2)
        # SQLite gives the new study the old one's id.
        again = open_store(url)
        assert again.trials() == []
        assert again.claim(2) == 0


class TestOwners:
    def test_this_process_is_not_gone_and_keeps_its_name(self):
        assert this_process() == this_process()
        assert not is_gone(this_process())

    def test_a_process_that_ended_is_gone_even_before_its_parent_asks(self):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        host = this_process().rsplit(":", 2)[0]
        owner = f"{host}:{child.pid}:{owners._start(child.pid)}"
        assert not is_gone(owner)
        child.kill()
        deadline = time.monotonic() + 20
        while not is_gone(owner) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert is_gone(owner)
        child.communicate()
        assert is_gone(owner)

    def test_of_a_process_elsewhere_nothing_is_known(self):
        _, pid, began = this_process().rsplit(":", 2)
        assert not is_gone(f"elsewhere:{pid}:{began}")
        assert not is_gone(f"elsewhere:{pid}:0")

    def test_without_a_proc_folder_ps_is_asked(self, monkeypatch):
        monkeypatch.setattr(owners, "_PROCESSES", Path("/nowhere"))
        host, pid, began = this_process().rsplit(":", 2)
        assert began != "None"
        assert not is_gone(this_process())
        assert is_gone(f"{host}:{pid}:another time")


@pytest.mark.slow
class TestProcesses:
    def test_two_processes_on_one_study_write_every_batch_once(self, url):
        open_store(url)
        processes = [start("search", url, 40) for _ in range(2)]
        written = [int(batch) for each in processes for batch in result(each)]
        assert sorted(written) == list(range(40))
        found = stored(url)
        assert sorted((each.user_attrs["batch"], each.user_attrs["slot"]) for each in found) == [
            (b, s) for b in range(40) for s in range(4)
        ]
        assert [each.number for each in found] == list(range(160))
        assert [each._trial_id for each in found] == sorted(each._trial_id for each in found)

    def test_processes_that_make_the_database_at_once_do_not_disturb_each_other(self, url):
        processes = [start("search", url, 8) for _ in range(4)]
        assert sorted(int(batch) for each in processes for batch in result(each)) == list(range(8))

    def test_the_claim_of_a_killed_process_is_taken_over(self, url):
        store = open_store(url)
        holder = start("hold", url)
        assert holder.stdout.readline().strip() == "0"
        assert store.claim(1) is None
        holder.kill()
        holder.communicate()
        assert store.claim(1) == 0
        assert store.complete(0, trials(0))

    def test_a_process_killed_at_any_statement_of_a_batch_leaves_none_of_it(self, url):
        store = open_store(url)
        for statement in range(0, 40, 3):
            process = start("die", url, statement)
            out, err = process.communicate(timeout=120)
            if out.strip() == "survived":
                break
            assert process.returncode == -9, err
            assert stored(url) == []
        else:
            pytest.fail("a batch took more than 40 statements")
        assert statement >= 9
        assert len(stored(url)) == 4
        assert store.finished(1)
