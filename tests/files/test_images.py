"""Container images: which versions of vLLM they name, and which of them can be replaced."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from vllm_migrate.files.adapters import read_file
from vllm_migrate.files.images import image_pin
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import PinForm


@pytest.mark.parametrize(
    ("image", "version", "form"),
    [
        ("vllm/vllm-openai:v0.8.5", "0.8.5", PinForm.VERSION),
        ("vllm/vllm-openai:v0.8.5.post1", "0.8.5.post1", PinForm.VERSION),
        ("docker.io/vllm/vllm-openai:0.8.5", "0.8.5", PinForm.VERSION),
        ("registry.example:5000/vllm/vllm-openai:v0.8.5", "0.8.5", PinForm.VERSION),
        ("public.ecr.aws/q9t5s3a7/vllm-cpu-release-repo:v0.8.5", "0.8.5", PinForm.VERSION),
        ("vllm/vllm-openai:v0.8.5-cu118", "0.8.5", PinForm.NAMED),
        ("vllm/vllm-openai:v0.8.5@sha256:0123abc", "0.8.5", PinForm.NAMED),
        ("rocm/vllm:rocm6.3.1_vllm_0.8.5_20250513", "0.8.5", PinForm.NAMED),
        ("verlai/verl:app-verl0.4-vllm0.8.5-mcore0.12.1", "0.8.5", PinForm.NAMED),
    ],
)
def test_images_that_name_a_version(image: str, version: str, form: PinForm) -> None:
    text = f"  {image}  "
    pin = image_pin(text, 2, len(text) - 2)
    assert pin is not None
    assert (pin.specifier, pin.form) == (f"=={version}", form)
    assert text[pin.specifier_span.start : pin.specifier_span.end] == version
    assert text[pin.span.start : pin.span.end] == image


@pytest.mark.parametrize(
    "image",
    [
        "vllm/vllm-openai",
        "vllm/vllm-openai:latest",
        "vllm/vllm-openai:${V}",
        "python:3.12",
        "vllm",
        "vllm:8000",
        "",
    ],
)
def test_images_that_name_none(image: str) -> None:
    assert image_pin(image, 0, len(image)) is None


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (FileKind.YAML, "image: vllm/vllm-openai:v0.8.5 # x\n"),
        (FileKind.YAML, "a:\n  - name: x\n    image: 'vllm/vllm-openai:v0.8.5'\n"),
        (FileKind.YAML, "image:\n  repository: vllm/vllm-openai\n  tag: v0.8.5\n"),
        (FileKind.YAML, 'image:\n  tag: "v0.8.5"\n  repository: "vllm/vllm-openai"\n'),
        (FileKind.SHELL, 'docker run --gpus all "vllm/vllm-openai:v0.8.5" --model m\n'),
        (FileKind.SHELL, "sudo podman pull vllm/vllm-openai:v0.8.5\n"),
    ],
)
def test_where_images_stand(kind: FileKind, text: str) -> None:
    facts = read_file(PurePosixPath("x"), kind, text.encode(), None, None)
    assert [(pin.specifier, facts.text(pin.specifier_span)) for pin in facts.pins] == [("==0.8.5", "0.8.5")]


@pytest.mark.parametrize(
    "text",
    [
        "image:\n  tag: v0.8.5\n",
        "image:\n  repository: nginx\n  tag: v0.8.5\nx: vllm\n",
        "image: {repository: vllm/vllm-openai}\ntag: v0.8.5\n",
    ],
)
def test_a_tag_of_something_else_is_none(text: str) -> None:
    assert read_file(PurePosixPath("x"), FileKind.YAML, text.encode(), None, None).pins == ()
