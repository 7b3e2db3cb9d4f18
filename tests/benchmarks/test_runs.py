"""The benchmarks work: tiny runs of each, whose figures mean nothing. Nothing here is timed."""

from benchmarks import in_flight, lag, parallel, peers
from benchmarks.parallel import Diary, SlowModels, search
from benchmarks.scheduling import Latency
from studbook.evolve.contracts import SearchSettings
from studbook.llm.contracts import ChatRequest, Message
from studbook.sandbox.process_box import ProcessSandbox

SHORT = Latency(sigma=1.0, mean_seconds=0.002)


def searched(folder, workers, lag=4):
    models = SlowModels(diary=Diary(latency=SHORT))
    return search(folder, models, workers, SearchSettings(run_seed=1, iterations=6, minibatch=1, lag=lag))


def test_a_search_keeps_a_diary_of_all_it_slept(tmp_path):
    run = searched(tmp_path, workers=2)
    assert sorted(run.diary.started) == [1, 2, 3, 4, 5, 6]
    assert len(run.diary.durations) == 6
    assert all(1 <= steps <= 6 for steps in run.diary.steps)
    assert 0 < run.whole <= 1


def test_the_lineage_is_the_same_with_any_number_of_workers_but_not_with_any_lag(tmp_path):
    heads = {workers: searched(tmp_path / str(workers), workers).head for workers in (1, 2, 4)}
    assert len(set(heads.values())) == 1
    assert searched(tmp_path / "other", 4, lag=1).head not in heads.values()


def test_the_same_name_sleeps_as_long_each_time():
    diaries = [Diary(latency=SHORT), Diary(latency=SHORT)]
    for diary in diaries:
        diary.sleep(1, "paper", "p1", 1)
    first, second = (diary.durations[0] for diary in diaries)
    assert abs(first - second) < 1e-9


def test_papers_in_flight_bring_back_what_the_harness_saw(tmp_path):
    sandbox = ProcessSandbox.open()
    flown = in_flight.fly(sandbox, in_flight.Sleeper(mean_seconds=0.01), tmp_path, papers=2, calls=3)
    assert sorted({call.paper for call in flown.calls}) == ["p000", "p001"]
    assert len(flown.calls) == 6
    assert all(call.overhead > 0 for call in flown.calls)
    assert (tmp_path / "calls.sqlite").exists()


def test_papers_in_flight_over_http(tmp_path):
    sleeper = in_flight.Sleeper(mean_seconds=0.01)
    with in_flight.served(sleeper) as backend:
        flown = in_flight.fly(ProcessSandbox.open(), backend, tmp_path, papers=1, calls=2)
        alone = in_flight.ask_alone(backend, papers=2, calls=2)
    assert len(flown.calls) == 2
    assert len(alone.calls) == 4
    assert all(call.overhead > 0 for call in alone.calls)


def test_the_pool_sleeps_once_for_every_paper():
    run = parallel.evaluate_papers(SHORT, workers=3, papers=7)
    assert len(run.diary.slept) == 7


def test_a_sleeper_begins_its_answer_with_the_seconds_it_slept():
    said = (Message(role="user", content="x"),)
    request = ChatRequest(model="sleeper", messages=said, seed=5, temperature=1.0, max_tokens=4096)
    text = in_flight.Sleeper(fixed=True, mean_seconds=0.02).complete(request).text
    assert 0.02 <= float(text.split()[0]) < 10
    assert len(text) == 2000


def test_a_search_with_lag_is_followed_by_the_true_rate_of_its_best(tmp_path):
    rates = lag.true_rates(tmp_path / "run", seed=1, lag=2, marks=[0, 3])
    assert rates[0] == 20
    assert 20 <= rates[1] <= 20 + 3 * 8


def test_peers_that_are_not_installed_are_skipped(capsys):
    peers.main(["--only", "gepa", "--python", "no/such/python"])
    assert "gepa                       skipped: not installed" in capsys.readouterr().out


def test_studbook_asks_the_local_server_once_an_iteration(tmp_path):
    times = tmp_path / "times"
    with peers.served(times) as url:
        timed = peers.ours_over_http(tmp_path, url, 5)
    assert len(timed.times) == 5
    assert len(times.read_text().split()) == 5


def test_windows_give_mean_and_median_of_the_time_between_iterations():
    times = [0.0, 0.010, 0.030, 0.040, 0.080]
    assert [(a, b, round(c), round(d)) for a, b, c, d in peers.windows(times, 2)] == [
        (1, 2, 15, 15),
        (3, 4, 25, 25),
    ]


def test_what_the_free_model_answers_has_one_size():
    assert len({len(peers.answer_of(call).replace(f"value_{call}\n", "")) for call in range(1, 2000)}) == 1
