import pytest

from modelyard.domain import validation
from modelyard.domain.errors import InvalidArgument


@pytest.mark.parametrize("key", ["a", "train/loss", "é", "A b:c.d-e_9", "x" * 250, ".hidden"])
def test_good_keys(key):
    validation.check_metric_key(key)
    assert validation.check_param(key, "v") == "v"
    assert validation.check_tag(key, "v") == "v"


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("a$b", "Names may only contain alphanumerics"),
        ("a\nb", "Names may only contain alphanumerics"),
        ("a\n", "Names may only contain alphanumerics"),
        ("../b", "would resolve to '../b'"),
        ("a//b", "would resolve to 'a/b'"),
        ("/a", "would resolve to '/a'"),
        ("a/./b", "would resolve to 'a/b'"),
        (".", "would resolve to '.'"),
        ("", "would resolve to '.'"),
    ],
)
def test_bad_keys_name_the_parameter_that_held_them(key, why):
    for _ in range(2):  # the second time from memory
        with pytest.raises(InvalidArgument) as raised:
            validation.check_metric_key(key, "metrics[0].name")
        assert "for parameter 'metrics[0].name' supplied: " in raised.value.message
        assert why in raised.value.message
    with pytest.raises(InvalidArgument, match="for parameter 'key' supplied"):
        validation.check_param(key, "v")
    with pytest.raises(InvalidArgument, match="for parameter 'key' supplied"):
        validation.check_tag(key, "v")


def test_long_keys_are_refused_by_the_name_of_their_kind():
    key = "k" * 251
    for check, label in (
        (lambda: validation.check_metric_key(key), "Metric name"),
        (lambda: validation.check_param(key, ""), "Param key"),
        (lambda: validation.check_tag(key, "", "tags[3].key"), "tags[3].key"),
        (lambda: validation.check_experiment_tag(key, ""), "key"),
    ):
        with pytest.raises(InvalidArgument) as raised:
            check()
        assert raised.value.message == f"'{label}' exceeds the maximum length of 250 characters"


def test_long_values_of_runs_are_cut_and_those_of_experiments_refused():
    assert validation.check_param("k", "é" * 7000) == "é" * 6000
    assert validation.check_tag("k", "é" * 9000) == "é" * 8000
    validation.check_experiment_tag("k", "é" * 20_000)
    with pytest.raises(InvalidArgument, match="'value' exceeds the maximum length of 20000 characters"):
        validation.check_experiment_tag("k", "é" * 20_001)


def test_batches_are_limited_in_each_kind_and_together():
    validation.check_batch(800, 100, 100)
    for counts, text in (
        ((1001, 0, 0), "at most 1000 metrics. Got 1001 metrics."),
        ((0, 101, 0), "at most 100 params. Got 101 params."),
        ((0, 0, 101), "at most 100 tags. Got 101 tags."),
        ((901, 50, 50), "at most 1000 metrics, params, and tags. Got 1001 metrics, params, and tags."),
    ):
        with pytest.raises(InvalidArgument, match=text):
            validation.check_batch(*counts)


def test_a_param_stands_once_in_a_batch():
    validation.check_distinct_params(["a", "b"])
    with pytest.raises(InvalidArgument, match=r"Duplicate parameter keys have been submitted: \['b', 'b'\]"):
        validation.check_distinct_params(["a", "b", "b", "b"])


@pytest.mark.parametrize("location", ["runs:/a", "s3://b/c#d", "s3://b/c;d", "x" * 2049])
def test_locations_that_cannot_hold_artifacts(location):
    with pytest.raises(InvalidArgument):
        validation.check_location(location)


def test_locations_that_can():
    for location in ("", "s3://b/c", "my_location", "mysql://user:password@host:1/db?driver=x", "a;b/c"):
        validation.check_location(location)


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "a.b", "a%b", 'a"b', "a'b"])
def test_bad_names_of_logged_models(name):
    with pytest.raises(InvalidArgument, match="Invalid model name"):
        validation.check_logged_model_name(name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "Missing value for required parameter 'name'."),
        ("  ", "Missing value for required parameter 'name'."),
        ("a/b", "Invalid model name 'a/b'. Names cannot contain '/' or ':'."),
        ("a:b", "Invalid model name 'a:b'. Names cannot contain '/' or ':'."),
        ("..", "would resolve to '..'"),
    ],
)
def test_bad_names_of_registered_models(name, text):
    with pytest.raises(InvalidArgument) as raised:
        validation.check_model_name(name)
    assert text in raised.value.message


def test_aliases():
    validation.check_alias("Champion_2-b")
    validation.check_alias_is_free("version1")
    for bad in ("", "a b", "a.b", "a" * 256, "a\n"):
        with pytest.raises(InvalidArgument):
            validation.check_alias(bad)
    for reserved in ("latest", "LATEST", "v12", "V1"):
        with pytest.raises(InvalidArgument, match="reserved"):
            validation.check_alias_is_free(reserved)


def test_datasets():
    validation.check_dataset("n", "d", "s", None, None)
    with pytest.raises(InvalidArgument, match="'digest' exceeds the maximum length of 36 characters"):
        validation.check_dataset("n", "d" * 37, "s", None, None)
    with pytest.raises(InvalidArgument, match="'value' exceeds the maximum length of 500 characters"):
        validation.check_input_tag("k", "v" * 501)
