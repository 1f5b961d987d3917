import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import convcli
from convcli.library.pictures import FilterOptions
from support.commands import PHOTOS, process

PHOTO = PHOTOS / "chelsea.png"
SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]


def commanded(tmp_path: Path, *words: str | Path, suffix: str = ".png") -> bytes:
    """Return the file that the command writes."""
    target = tmp_path / f"commanded{suffix}"
    ended = process(*words[:3], target, *words[3:], "-q")
    assert ended.returncode == 0, ended.stderr
    return target.read_bytes()


def test_a_photograph_is_filtered_as_by_the_command(tmp_path: Path) -> None:
    expected = commanded(
        tmp_path, "apply", "sobel-x", PHOTO, "--border", "replicate", "--range", "shift"
    )
    result = convcli.apply("sobel-x", PHOTO, border="replicate", range="shift")
    result.save(tmp_path / "saved.png")
    assert (tmp_path / "saved.png").read_bytes() == expected


@pytest.mark.parametrize(
    "kernel", [SOBEL, np.array(SOBEL), "sobel-x", convcli.kernel("sobel-x")], ids=str
)
def test_a_kernel_is_a_name_weights_or_a_kernel(kernel: convcli.Kernel) -> None:
    with Image.open(PHOTO) as photo:
        grey = np.asarray(photo.convert("L"))
    result = convcli.apply(kernel, grey, border="symmetric", raw=True)
    expected = ndimage.correlate(grey.astype(float), np.array(SOBEL, float), mode="reflect")
    assert np.array_equal(result.array, expected)


def test_a_kernel_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"weights": [[0, 2, 0]]}))
    assert convcli.apply(path, [[1, 2, 3]]).array.tolist() == [[2, 4, 6]]


def test_a_list_of_kernels_is_a_chain() -> None:
    row = np.arange(12.0).reshape(3, 4)
    chain = convcli.apply(["box", np.array([[0, 2, 0]])], row, raw=True).array
    assert np.allclose(chain, ndimage.uniform_filter(row, 3, mode="constant") * 2)
    assert np.array_equal(convcli.apply("box", row, then=[[0, 2, 0]], raw=True).array, chain)


def forms() -> dict[str, Any]:
    data = PHOTO.read_bytes()
    with Image.open(PHOTO) as image:
        image.load()
    return {
        "str": str(PHOTO),
        "path": PHOTO,
        "URL": PHOTO.as_uri(),
        "bytes": data,
        "file object": io.BytesIO(data),
        "PIL image": image,
        "array": np.asarray(image),
    }


@pytest.mark.parametrize("form", forms())
def test_a_picture_is_opened_from_what_people_hold(form: str) -> None:
    with Image.open(PHOTO) as image:
        assert np.array_equal(np.asarray(convcli.open(forms()[form])), np.asarray(image))


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "PA"]
)
def test_an_image_of_pillow_is_read_as_its_file(mode: str) -> None:
    with Image.open(PHOTOS / "camera.png") as photo:
        grey = photo.convert("L").resize((31, 17))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    elif mode == "PA":
        image = grey.convert("LA").convert("PA")
    else:
        image = grey.convert(mode)
    read = np.asarray(convcli.open(image))
    expected = {"CMYK": "RGB", "P": "RGB", "PA": "RGBA", "1": "L"}.get(mode, mode)
    assert np.array_equal(read, np.asarray(image.convert(expected)))


def test_an_opacity_is_the_last_channel() -> None:
    pixels = np.zeros((4, 5, 4), np.uint8)
    pixels[..., 3] = 255
    picture = convcli.open(pixels)
    assert picture.frames[0].alpha is not None
    assert convcli.open(pixels, alpha=False).frames[0].channels == 4
    assert convcli.apply("box", pixels).array[..., 3].tolist() == pixels[..., 3].tolist()


def test_pictures_and_results_are_arrays_and_images() -> None:
    result = convcli.apply("gaussian:1", PHOTO)
    assert np.asarray(result).shape == np.asarray(convcli.open(PHOTO)).shape == (300, 451, 3)
    assert np.array_equal(np.asarray(result.to_pil()), result.array)
    assert convcli.open(PHOTO).to_pil().size == (451, 300)
    assert convcli.apply("sobel-x", result).array.shape == (300, 451, 3)


def test_pillow_has_no_colours_of_16_bits() -> None:
    deep = convcli.open(np.zeros((2, 2, 3), np.uint16))
    with pytest.raises(convcli.ImageError, match="expected 8 bits a channel"):
        deep.to_pil()


def test_all_frames_are_filtered(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((4, 4), 40 * n, np.uint8)) for n in (1, 2, 3)]
    frames[0].save(tmp_path / "in.tif", save_all=True, append_images=frames[1:])
    result = convcli.apply("identity", tmp_path / "in.tif")
    assert [int(one[0, 0]) for one in result.arrays] == [40, 80, 120]
    result.save(tmp_path / "out.tif")
    with Image.open(tmp_path / "out.tif") as saved:
        assert getattr(saved, "n_frames", 1) == 3
    assert (
        int(convcli.apply("identity", convcli.open(tmp_path / "in.tif", frame=1)).array[0, 0])
        == 80
    )


def test_the_report_is_what_the_command_prints() -> None:
    printed = process("apply", "sobel-x", PHOTO, "/dev/null", "--format", "png", "--json")
    document = json.loads(printed.stdout)
    report = convcli.apply("sobel-x", PHOTO).report.as_dict()
    for timed in ("source", "target", "milliseconds"):
        document.pop(timed)
    report.pop("milliseconds")
    assert report == document


def test_warnings_are_told() -> None:
    result = convcli.apply("box", PHOTO, stride=2, padding="valid")
    assert result.warnings == result.report.warnings
    assert result.warnings == ("stride 2 leaves the last row of the picture (y = 299) unseen",)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"border": "mirror"}, ["--border", "mirror"]),
        ({"range": "loud"}, ["--range", "loud"]),
        ({"stride": "0"}, ["--stride", "0"]),
        ({"padding": "most"}, ["--padding", "most"]),
        ({"depth": "12"}, ["--depth", "12"]),
        ({"bias": "nan"}, ["--bias", "nan"]),
    ],
)
def test_a_wrong_option_is_refused_in_the_words_of_the_command(
    options: dict[str, str], words: list[str]
) -> None:
    with pytest.raises(convcli.OptionError) as raised:
        convcli.apply("box", PHOTO, **options)  # type: ignore[arg-type]
    said = process("apply", "box", PHOTO, "out.png", *words).stderr.decode()
    assert str(raised.value).split(": ", 1)[1].rstrip(".") in said


def test_there_is_no_such_option() -> None:
    with pytest.raises(TypeError, match="no option 'sigma'"):
        convcli.apply("box", PHOTO, sigma=2)  # type: ignore[call-arg]


def test_nothing_is_written_where_a_format_cannot_hold_the_result(tmp_path: Path) -> None:
    result = convcli.apply("box", np.zeros((4, 4, 4), np.uint8), depth=16)
    with pytest.raises(convcli.ImageError):
        result.save(tmp_path / "out.jpg")
    with pytest.raises(convcli.ImageError, match=r"or use format=$"):
        result.save(tmp_path / "out.xyz")
    assert list(tmp_path.iterdir()) == []


def test_pooling_is_that_of_the_command(tmp_path: Path) -> None:
    expected = commanded(tmp_path, "pool", "average", PHOTO, "--k", "3", "--s", "2")
    convcli.pool("average", PHOTO, kernel_size=3, stride=2).save(tmp_path / "pooled.png")
    assert (tmp_path / "pooled.png").read_bytes() == expected


@pytest.mark.parametrize("option", [{"range": "balance"}, {"flip": True}, {"transposed": True}])
def test_pooling_refuses_options_that_it_does_not_have(option: Any) -> None:
    with pytest.raises(
        convcli.OptionError, match=f"^pool: it has no {next(iter(option))}: leave"
    ):
        convcli.pool("max", PHOTO, **option)


def test_an_empty_chain_is_refused() -> None:
    for call in (convcli.apply, convcli.plan, convcli.animate):
        with pytest.raises(convcli.SpecError, match=r"list of them, got none: give one$"):
            call([], PHOTO)
    assert convcli.apply("box", PHOTO, then=[]).report.steps[0].kernel == "box"


def test_the_source_of_a_result_shows_itself() -> None:
    assert repr(convcli.apply("box", PHOTO).source) == "<Picture without frames>"


def test_places_are_found_as_by_the_command() -> None:
    printed = process("find", "log:4@negate", PHOTO, "--top", "3", "--json").stdout
    expected = json.loads(printed)["matches"]
    assert [match.as_dict() for match in convcli.find("log:4@negate", PHOTO, top=3)] == expected


def test_a_plan_refuses_what_apply_refuses() -> None:
    """A window of 3 at stride 2 leaves one of 4 columns unseen."""
    options: Any = {"stride": 2, "padding": "valid", "strict": True}
    for filtered in (convcli.apply, convcli.plan):
        with pytest.raises(convcli.GeometryError, match="1 column of picture"):
            filtered("box", np.zeros((5, 4), np.uint8), **options)


def test_a_plan_says_what_would_be_done() -> None:
    words = ("gaussian:2", str(PHOTO), "out.png", "--plan", "--json", "--jobs", "1")
    expected = json.loads(process("apply", *words).stdout)
    plans = convcli.plan("gaussian:2", PHOTO, jobs=1)
    assert [plan.as_dict(1) for plan in plans] == expected


def test_notebooks_show_pictures_results_and_kernels() -> None:
    picture, result = convcli.open(PHOTO), convcli.apply("sobel-x", PHOTO)
    for png in (picture._repr_png_(), result._repr_png_()):
        with Image.open(io.BytesIO(png)) as shown:
            assert shown.size == (451, 300)
    html = result._repr_html_()
    assert html.startswith("<img src='data:image/png;base64,")
    assert "sobel-x" in html


def test_notebooks_see_floats_as_opaque_as_they_are() -> None:
    opacity = np.array([[255, 255, 0]], np.uint8)
    pixels = np.dstack([np.full((1, 3, 3), 7, np.uint8), opacity])
    result = convcli.apply("identity", pixels, depth="float")
    assert result.array[..., 3].tolist() == [[255, 255, 0]]
    with Image.open(io.BytesIO(result._repr_png_())) as shown:
        assert np.asarray(shown)[..., 3].tolist() == [[255, 255, 0]]
    opaque = convcli.apply("identity", pixels[:, :2], depth="float")
    with Image.open(io.BytesIO(opaque._repr_png_())) as shown:
        assert np.asarray(shown)[..., 3].tolist() == [[255, 255]]


def test_a_notebook_is_sent_no_huge_picture() -> None:
    large = convcli.open(np.zeros((100, 4000), np.float32))
    with Image.open(io.BytesIO(large._repr_png_())) as shown:
        assert shown.size == (1024, 26)


@pytest.mark.parametrize("array", [[1, 2], [[1j]], [[[[1]]]], np.zeros((0, 3)), [["a"]]])
def test_what_is_no_picture_is_refused(array: Any) -> None:
    with pytest.raises(convcli.ImageError, match=r"^picture: expected "):
        convcli.open(array)


def test_types_name_each_option() -> None:
    typed = {*FilterOptions.__annotations__}
    assert typed == {*convcli.Options.__annotations__} - {"collect_stats"}


def test_a_notebook_says_that_floats_have_no_range() -> None:
    page = convcli.apply("sobel-x", [[1.0, 2.0]])._repr_html_()
    assert "<td>none, none clipped</td>" in page
    assert "None" not in page
