"""The client's settings: read where they are used, and a bad value never stops a training."""

from modelyard import settings


def test_ours_then_mlflow_s_then_the_default(monkeypatch) -> None:
    setting = settings.SYSTEM_METRICS_INTERVAL_S
    assert (setting.get(), setting.is_set()) == (10.0, False)
    assert setting.get(3.0) == 3.0
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "5")
    assert (setting.get(), setting.is_set()) == (5.0, True)
    monkeypatch.setenv("MODELYARD_SYSTEM_METRICS_INTERVAL_S", "1.5")
    assert setting.get(3.0) == 1.5
    monkeypatch.setenv("MODELYARD_SYSTEM_METRICS_INTERVAL_S", " ")
    assert setting.get() == 5.0


def test_words_for_yes_and_no(monkeypatch) -> None:
    for text, value in (("1", True), ("Yes", True), ("off", False), ("FALSE", False)):
        monkeypatch.setenv("MODELYARD_CAPTURE", text)
        assert settings.CAPTURE.get() is value


def test_a_bad_value_is_reported_once(monkeypatch, caplog) -> None:
    monkeypatch.setenv("MODELYARD_SPOOL_BYTES", "many of them")
    assert settings.SPOOL_BYTES.get() == settings.SPOOL_BYTES.get() == 2 * 2**30
    (record,) = caplog.records
    assert record.getMessage() == (
        "MODELYARD_SPOOL_BYTES='many of them' is not a whole number; the default holds: 2147483648"
    )


def test_every_setting_has_a_sentence_and_one_name() -> None:
    assert all(setting.text.endswith(".") and setting.text[0].isupper() for setting in settings.CLIENT.values())
    others = [name for setting in settings.CLIENT.values() for name in setting.also]
    assert len(others) == len(set(others))
