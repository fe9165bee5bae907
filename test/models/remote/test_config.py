"""Specs: read, checked, and never with a key inside."""

import pytest

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.models.remote.config import RemoteConfig, fingerprint, is_remote, parse_remote


def test_a_spec_is_read():
    config = parse_remote("openai:http://localhost:8000/v1/#Qwen/Qwen3-VL-8B")
    assert (config.url, config.model) == ("http://localhost:8000/v1", "Qwen/Qwen3-VL-8B")
    assert config.name == "openai:http://localhost:8000/v1#Qwen/Qwen3-VL-8B"
    assert parse_remote(config.name) == config
    assert is_remote(config.name) and not is_remote("embedded") and not is_remote("Qwen/Qwen3-VL-8B")


def test_a_url_without_a_path_gets_v1():
    assert parse_remote("openai:http://localhost:11434#llava").url == "http://localhost:11434/v1"
    assert parse_remote("openai:https://host/api/#m").url == "https://host/api"


def test_options_of_the_spec_and_overrides():
    config = parse_remote("openai:http://h:1/v1#m?samples=9&temperature=0.3&logprobs=yes&box_scale=pixels", samples=2)
    assert (config.samples, config.temperature, config.logprobs, config.box_scale) == (2, 0.3, True, "pixels")


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("embedded", "not a remote model"),
        ("openai:http://h/v1", "has no name"),
        ("openai:http://h/v1#", "has no name"),
        ("openai:ftp://h/v1#m", "URL of a server cannot be read"),
        ("openai:h:8000/v1#m", "URL of a server cannot be read"),
        ("openai:http://h:99999/v1#m", "URL of a server cannot be read"),
        ("openai:http://h/v1#m?color=red", "unknown option"),
        ("openai:http://h/v1#m?samples=many", "option samples.*cannot be read"),
        ("openai:http://h/v1#m?logprobs=maybe", "option logprobs.*cannot be read"),
        ("openai:http://h/v1#m?samples=0", "samples of a remote model must lie in 1..256"),
        ("openai:http://h/v1#m?jpeg_quality=0", "jpeg_quality"),
        ("openai:http://h/v1#m?read_timeout_s=nan", "read_timeout_s"),
        ("openai:http://h/v1#m?box_scale=inches", "unknown box_scale"),
    ],
)
def test_malformed_specs_say_what_is_wrong(spec, fault):
    with pytest.raises(ConfigError, match=fault):
        parse_remote(spec)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[("samples", "abc"), ("samples", 2.5), ("temperature", "hot"), ("logprobs", "maybe"), ("retries", 3)],
        *[("extra", 5), ("jpeg_quality", True), ("default_unit", 1), ("key_variable", 7), ("sampling", 1)],
    ],
)
def test_options_of_another_type_are_refused_before_anything_is_asked(option, value):
    with pytest.raises(ConfigError, match=f"{option} of a remote model must be of type"):
        parse_remote("openai:http://h/v1#m", **{option: value})


def test_a_unit_that_no_answer_can_be_in_is_refused():
    assert parse_remote("openai:http://h/v1#m?default_unit=cm").default_unit == "cm"
    with pytest.raises(ConfigError, match="unknown default_unit.*furlong.*cm"):
        parse_remote("openai:http://h/v1#m?default_unit=furlong")


@pytest.mark.parametrize("name", ["url", "model"])
def test_the_server_and_the_model_stand_in_the_spec_alone(name):
    with pytest.raises(ConfigError, match="unknown option"):
        parse_remote("openai:http://h/v1#m", **{name: "x"})


def test_unknown_overrides_are_refused():
    with pytest.raises(ConfigError, match="unknown option.*colour"):
        parse_remote("openai:http://h/v1#m", colour="red")


@pytest.mark.parametrize(
    "spec", ["openai:http://me:s3cr3t@h/v1#m", "openai:https://s3cr3t@h/v1#m", "openai:x:s3cr3t@h"]
)
def test_a_password_in_a_url_is_refused_and_not_shown(spec):
    with pytest.raises(ConfigError) as caught:
        parse_remote(spec)
    assert "s3cr3t" not in str(caught.value) and "s3cr3t" not in repr(caught.value.value)


def test_the_default_key_goes_only_over_https_or_to_this_machine(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-default")
    assert RemoteConfig("https://api.example.com/v1", "m").key() == "sk-default"
    assert RemoteConfig("http://localhost:8000/v1", "m").key() == "sk-default"
    assert RemoteConfig("http://192.168.1.5:8000/v1", "m").key() is None
    monkeypatch.setenv("LAN_KEY", "sk-lan")
    assert RemoteConfig("http://192.168.1.5:8000/v1", "m", key_variable="LAN_KEY").key() == "sk-lan"


def test_a_named_variable_that_is_not_set_is_an_error(monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(ConfigError, match="not set.*NO_SUCH_KEY"):
        RemoteConfig("https://h/v1", "m", key_variable="NO_SUCH_KEY").key()


def test_a_key_that_no_header_can_hold_is_refused_without_showing_it(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-gehe\u00efm")
    with pytest.raises(ConfigError, match="ASCII") as caught:
        RemoteConfig("https://h/v1", "m").key()
    assert "sk-gehe" not in str(caught.value)


def test_a_calibration_is_bound_to_the_model_and_how_it_is_asked():
    one = parse_remote("openai:http://a:1/v1#m?samples=4")
    assert fingerprint(one) == fingerprint(parse_remote("openai:https://b/v1#m?samples=4&concurrency=2"))
    others = [{"samples": 5}, {"temperature": 0.1}, {"model": "n"}, {"longest_side": 512}, {"extra": {"top_p": 0.5}}]
    assert len({fingerprint(one), *(fingerprint(one.with_(**o)) for o in others)}) == 6
