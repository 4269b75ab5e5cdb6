"""Which encoder is used: a driver's only after a trial that it passed, x264 otherwise, with the reason.

No driver is needed: the class that speaks to drivers speaks to x264's High profile as well, and the encoders of drivers
that are absent fail for real.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pepys.clock import FakeClock
from pepys.config import config_dir
from pepys.doctor import engines
from pepys.doctor.findings import State
from pepys.errors import Usage
from pepys.limits import FRAGMENT_NS
from pepys.media import encoder_trial, encoders
from pepys.media.boxes import find_all
from pepys.media.colour import Picture
from pepys.media.driver_encoder import DRIVERS, Driver, DriverEncoder, EncoderFailed
from pepys.media.encoders import X264, Choice, Encoders, VideoEncoder, choose_encoder, run_trial
from pepys.media.fmp4 import FragmentWriter, VideoSample, init_segment
from pepys.media.fmp4_init import parse_init
from pepys.media.video import H264Encoder, decoder_configuration, parameter_sets
from pepys.record.adapters.pushed import PushedSource
from pepys.record.compositor import Compositor, View
from pepys.record.layouts import Layout
from pepys.record.ports import VideoCapabilities
from pepys.record.video import VideoTrack

SIZE = (320, 192, 30, 25)


def _high(qp: int) -> dict[str, str]:
    return {
        "preset": "veryfast", "tune": "zerolatency", "qp": str(qp), "profile": "high", "forced-idr": "1", "bf": "0",
        "x264-params": "scenecut=0",
    }  # fmt: skip


HIGH = Driver("libx264", ("/dev/null",), None, _high)
NVENC = replace(next(driver for driver in DRIVERS if driver.codec == "h264_nvenc"), nodes=("/dev/null",))


def _with(**options: str) -> Driver:
    return replace(HIGH, options=lambda qp: {**_high(qp), **options})


def _try_here(codec: str, width: int, height: int, fps: int, qp: int, deadline_s: float) -> str:
    return str(encoder_trial.trial(HIGH, width, height, fps, qp)["reason"])


def test_a_driver_that_keeps_its_word_passes_its_trial() -> None:
    told = encoder_trial.trial(HIGH, *SIZE)
    assert told["reason"] == "" and told["psnr"] > 36


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tune": "film"}, "0 packets for one picture"),
        ({"x264-params": "keyint=3:scenecut=0"}, "a key frame of its own will"),
        ({"qp": "51"}, "wrong pictures"),
        ({"preset": "none such"}, "does not open"),
    ],
)
def test_a_driver_that_does_not_keep_its_word_fails_its_trial(options: dict[str, str], told: str) -> None:
    assert told in encoder_trial.trial(_with(**options), *SIZE)["reason"]


def test_a_driver_that_is_too_slow_fails_its_trial() -> None:
    slow = _with(preset="placebo", **{"x264-params": "scenecut=0:ref=16:subme=11:me=tesa:merange=64"})
    assert "too long for 60 a second" in encoder_trial.trial(slow, 480, 272, 60, 20)["reason"]


def test_an_encoder_of_an_absent_driver_fails_in_a_real_child() -> None:
    told = run_trial("h264_nvenc", *SIZE, 20)
    assert "h264_nvenc" in told and "option" not in told and len(told) < 200


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("import os; os.abort()", "crashed (SIGABRT)"),
        ("import signal; signal.pause()", "no answer within"),
        ("import os\nwhile True: os.write(1, b'x' * 4096)", "no answer within"),
        ("print('all is well')", "nothing that can be read"),
        ("print('[]')", "nothing that can be read"),
        ("raise SystemExit(3)", "failed (exit 3)"),
        ("import os, signal; os.close(1); signal.pause()", "does not end"),
    ],
)
def test_a_trial_that_crashes_hangs_or_babbles_is_a_reason(
    script: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoders, "_KILLED_S", 0.2)
    begun = time.monotonic()
    assert told in run_trial("h264_vaapi", *SIZE, 0.4, argv=[sys.executable, "-c", script])
    assert time.monotonic() - begun < 5


def test_a_trial_that_cannot_be_started_is_a_reason() -> None:
    assert "cannot be started" in run_trial("h264_vaapi", *SIZE, 1, argv=["/dev/null/none"])


def test_the_child_names_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert encoder_trial.main(["h264_nvenc", "320", "192", "30", "25"]) == 0
    assert "h264_nvenc does not open" in json.loads(capsys.readouterr().out)["reason"]


def test_without_a_device_it_is_x264_and_no_child_is_started() -> None:
    absent = [replace(driver, nodes=("/dev/none-such*",)) for driver in DRIVERS]
    choice = choose_encoder("auto", *SIZE, drivers=absent, trial=_unasked)
    assert choice == Choice(X264, "no /dev/none-such*") and choice.told == "x264"
    named = choose_encoder("h264_nvenc", *SIZE, drivers=absent, trial=_unasked)
    assert named.told == "x264 (no /dev/none-such*)"


def test_a_named_encoder_is_the_only_one_tried_and_x264_is_never_tried() -> None:
    assert choose_encoder("x264", *SIZE, trial=_unasked) == Choice(X264)
    choice = choose_encoder("h264_nvenc", *SIZE, drivers=[HIGH, NVENC])
    assert (choice.name, choice.failed) == (X264, True)
    assert "h264_nvenc" in choice.reason and "libx264" not in choice.reason
    with pytest.raises(Usage, match="no encoder 'mpeg2'"):
        choose_encoder("mpeg2", *SIZE)


def test_what_pyav_lacks_is_not_tried() -> None:
    lacking = replace(HIGH, codec="h264_none_such")
    assert (
        choose_encoder("auto", *SIZE, drivers=[lacking], trial=_unasked).reason
        == "PyAV was built without h264_none_such"
    )


def test_the_first_that_passes_is_used_and_tried_once_in_a_recorders_life() -> None:
    trials: list[str] = []

    def counted(codec: str, width: int, height: int, fps: int, qp: int, deadline_s: float) -> str:
        trials.append(codec)
        return "bad luck" if codec == "h264_nvenc" else _try_here(codec, width, height, fps, qp, deadline_s)

    chosen = Encoders(drivers=[NVENC, HIGH], trial=counted)
    assert chosen.choice == Choice(X264) and chosen.prepare(*SIZE) == Choice("libx264")
    for size in ((320, 192), (640, 360)):
        encoder = chosen.open(*size, 30, 25)
        assert isinstance(encoder, DriverEncoder) and encoder.config.width == size[0]
        encoder.close()
    assert trials == ["h264_nvenc", "libx264"]
    chosen.give_up("the driver was reset")
    assert isinstance(chosen.open(*SIZE), H264Encoder)
    assert chosen.choice.told == "x264 (the driver was reset)" and trials == ["h264_nvenc", "libx264"]


def test_a_driver_that_does_not_open_after_its_trial_leaves_x264() -> None:
    chosen = Encoders("h264_nvenc", drivers=[NVENC], trial=lambda *_: "")
    assert chosen.prepare(*SIZE) == Choice("h264_nvenc")
    assert isinstance(chosen.open(*SIZE), H264Encoder)
    assert "does not open" in chosen.choice.reason


@pytest.mark.parametrize("make", [lambda: DriverEncoder(HIGH, *SIZE[:3], qp=25), lambda: H264Encoder(*SIZE[:3], qp=25)])
def test_either_kind_gives_what_plays(make: Callable[[], VideoEncoder]) -> None:
    encoder, picture = make(), Picture(*SIZE[:2])
    samples, wanted = [], []
    for number in range(6):
        picture.luma[:, number * 40 : number * 40 + 40] = 40 * number + 20
        samples.append(
            VideoSample(number * 100_000_000, encoder.encode(picture, number * 100_000_000, number == 0), number == 0)
        )
        wanted.append(picture.luma.copy())
    samples.append(VideoSample(600_000_000, encoder.repeat(600_000_000), False))
    wanted.append(picture.luma.copy())
    film = init_segment(encoder.config, None) + FragmentWriter(encoder.config, None, 0).write(samples, FRAGMENT_NS, ())
    encoder.close()
    with av.open(io.BytesIO(film)) as container:
        frames = [frame.to_ndarray(format="nv12")[: SIZE[1]] for frame in container.decode(video=0)]
    assert len(frames) == 7
    for shown, true in zip(frames, wanted, strict=True):
        assert np.abs(shown.astype(int) - true).mean() < 2


def test_a_high_profile_is_described_as_other_muxers_describe_it() -> None:
    encoder = DriverEncoder(HIGH, *SIZE[:3], qp=25)
    config = encoder.config
    assert config.codec.startswith("avc1.64") and config.avcc.endswith(bytes.fromhex("fdf8f800"))
    assert parse_init(init_segment(config, None))[0].config == config
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30, options=_high(25))
        stream.width, stream.height, stream.pix_fmt = *SIZE[:2], "nv12"
        frame = av.VideoFrame.from_ndarray(Picture(*SIZE[:2]).array, format="nv12")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
        sets = bytes(stream.codec_context.extradata or b"")
    written = file.getvalue()
    (table,) = find_all(written, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
    at = written.index(b"avcC", table.start)
    length = int.from_bytes(written[at - 4 : at], "big")
    theirs = written[at + 4 : at - 4 + length]
    ours = theirs if sets[:1] == b"\1" else decoder_configuration(sets)
    assert sets[:1] != b"\1" and ours == theirs
    assert parameter_sets(ours).count(b"\x67\x64") == 1


def test_the_chroma_format_and_depths_are_read_from_the_stream() -> None:
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = 64, 64, "yuv444p10le"
    context.flags |= av.codec.context.Flags.global_header
    context.time_base = Fraction(1, 30)
    context.open()
    assert decoder_configuration(bytes(context.extradata or b"")).endswith(bytes((0xFF, 0xFA, 0xFA, 0)))


@pytest.mark.parametrize(
    "sets", [b"", b"\0\0\0\1\x67", b"\0\0\0\1\x67\x64\0\0\0\1\x68\1", b"\0\0\0\1\x67\x64\0\x1e\0\0\0\1\x68\1"]
)
def test_torn_parameter_sets_are_refused(sets: bytes) -> None:
    with pytest.raises(ValueError, match=r"parameter set|NAL unit|unpack"):
        decoder_configuration(sets)


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        (b"\0\0\0\1\x41\x9a\x20", "no key frame where one was asked for"),
        (b"\0\0\0\1\x09\x10", "no key frame"),
        (b"", "no key"),
    ],
)
def test_a_missing_key_frame_is_a_failure(stream: bytes, told: str) -> None:
    encoder = DriverEncoder(HIGH, *SIZE[:3], qp=25)
    with pytest.raises(EncoderFailed, match=told):
        encoder._unit(stream, True)
    if stream[4:5] != b"\x41":
        with pytest.raises(EncoderFailed, match="without a picture"):
            encoder._unit(stream, False)


def test_a_driver_that_fails_while_recording_says_so() -> None:
    encoder = DriverEncoder(_with(tune="film"), *SIZE[:3], qp=25)
    with pytest.raises(EncoderFailed, match="0 packets"):
        encoder.encode(Picture(*SIZE[:2]), 0, True)


def test_a_recording_goes_on_with_x264_when_its_driver_fails() -> None:
    clock = FakeClock()
    source = PushedSource("test:pictures", VideoCapabilities("none", "absent"), clock)
    source.deliver(np.zeros((SIZE[1], SIZE[0], 4), np.uint8))
    chosen = Encoders(drivers=[HIGH], trial=lambda *_: "")
    track = VideoTrack(Compositor([View(source)], Layout("passthrough"), 1080), clock, 30, 25, chosen)
    assert track.open_span().codec.startswith("avc1.64") and track.encoder == "libx264"
    first = track.grid_frame(clock.now_ns(), key=True)
    assert first is not None and first.key and not track.renewal
    failing = track._encoder
    assert isinstance(failing, DriverEncoder)
    failing._context = DriverEncoder(_with(tune="film"), *SIZE[:3], qp=25)._context
    clock.advance(FRAGMENT_NS)
    assert track.grid_frame(clock.now_ns()) is None and track.renewal
    assert track.open_span().codec.startswith("avc1.42") and not track.renewal
    assert track.encoder == "x264 (libx264 gave 0 packets for one picture)"
    again = track.grid_frame(clock.now_ns(), key=True)
    assert again is not None and again.pts_ns == clock.now_ns(), "the time of the picture that failed is not lost"
    track.close_span()
    source.close()


def test_the_doctor_says_which_encoder_is_used(home: Path) -> None:
    found = {finding.name: finding for finding in engines.codecs()}["encoder"]
    assert found.state is State.OK and found.found.startswith(("x264", "h264_"))
    config_dir().mkdir(parents=True)
    (config_dir() / "config.toml").write_text('[record]\nencoder = "h264_nvenc"\n')
    found = {finding.name: finding for finding in engines.codecs()}["encoder"]
    assert found.found.startswith("h264_nvenc") or (found.state is State.LESS and "x264" in found.remedy)


def _unasked(*_: object) -> str:
    raise AssertionError("a trial that nobody needs")
