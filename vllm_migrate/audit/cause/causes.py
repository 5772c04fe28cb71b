"""Every cause the audit can name: how it shows, what puts it to the test, and what to do about it.

`python -m vllm_migrate.audit.cause.causes docs/causes.md` writes the page.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from vllm_migrate.audit.result import Cause


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a cause, for people.

    Attributes:
        title: the cause in a few words.
        layer: "semantic" (what a logprob means), "inputs", "path" (which code ran), "numerics", "sync" or "".
        signature: how it shows without a further run.
        intervention: what is changed to put it to the test, and in which engine.
        remedy: what to do.
    """

    title: str
    layer: str
    signature: str
    intervention: str
    remedy: str


ABOUT: dict[Cause, About] = {
    Cause.NONE: About(
        "No cause to name",
        "",
        "the candidate passes, or nothing separates it from the noise floor",
        "none",
        "nothing; where the ladder explains a remaining small excess, it says so",
    ),
    Cause.INPUTS: About(
        "Other prompt tokens",
        "inputs",
        "the two engines make other token ids from the same prompt text",
        "the reference's token ids are handed to both engines, so that this can't hide behind anything else",
        "send token ids instead of text, or pin the tokenizer and its special tokens on both sides",
    ),
    Cause.CHAT_TEMPLATE: About(
        "Another chat template",
        "inputs",
        "the same messages render to other token ids",
        "the reference's rendered text is given to the candidate's tokenizer: where that makes the "
        "reference's ids, the template is what differs",
        "pass the chat template explicitly, or render prompts before the engine",
    ),
    Cause.WEIGHTS_OR_DTYPE: About(
        "Other weights or another dtype",
        "numerics",
        "raw logprobs differ everywhere, from the first position on, and no setting of the path moves them",
        "second engines in float32 on both sides (`--ladder all`); where the reference is only a recorded "
        "trace, the candidate alone, judged against the trainer's float32 forward. What vanishes then "
        "was rounding; what stays are other weights or another computation",
        "compare checksums of the weights; use one dtype on both sides; rounding needs no remedy",
    ),
    Cause.RAW_LOGPROBS: About(
        "Raw instead of processed logprobs",
        "semantic",
        "reported logprobs equal the log softmax of the candidate's own unmodified logits, not what the "
        "reference reported; candidate regressed on reference has slope T",
        "`logprobs_mode` is switched in the live engine",
        '`logprobs_mode="processed_logprobs"`',
    ),
    Cause.PROMPT_LOGPROBS: About(
        "Rollout logprobs taken from prompt_logprobs",
        "semantic",
        "V1 reports `prompt_logprobs` raw whatever its `logprobs_mode`; V0 reported them processed",
        "the same tokens are forced through decoding, with processed logprobs",
        "take rollout logprobs from decoding, or divide the logits by the temperature in your own scoring",
    ),
    Cause.SAMPLING: About(
        "Other sampling settings",
        "semantic",
        "the candidate's requests set temperature, top-p, top-k or min-p to other values",
        "the candidate replays with the reference's settings",
        "set every sampling setting explicitly, to one value on both sides",
    ),
    Cause.SAMPLING_PRECISION: About(
        "Sampling settings rounded to the model's dtype",
        "semantic",
        "V0 keeps temperature, top-p, min-p and penalties in the dtype of the logits: in bf16 a temperature "
        "of 0.7 is 0.69921875 (0.8.5 reports the same bits for both); V1 keeps them in float32",
        "the candidate replays with the settings as V0 rounds them",
        "nothing to restore: V1 does what was asked for; to reproduce V0 exactly, give V1 the rounded values",
    ),
    Cause.GENERATION_CONFIG: About(
        "Defaults from generation_config.json",
        "semantic",
        "the candidate's settings are those of the checkpoint's generation_config.json",
        "the candidate replays with the reference's settings; where its requests are believed to set them "
        "already, the reference replays with those of the file, all or only the ones left unset",
        '`generation_config="vllm"`, or every sampling setting given explicitly',
    ),
    Cause.PENALTIES: About(
        "A penalty that acts on one side only",
        "semantic",
        "the difference sits on tokens that occurred before, while others barely move",
        "the candidate replays with the reference's penalty, or both sides replay without one",
        "give the penalty on both sides; where the engine ignores it, train without it",
    ),
    Cause.HEAD_PRECISION: About(
        "Precision of the last projection",
        "numerics",
        "the live engines' heads differ; logits lie on the lattice of bf16 numbers on one side only",
        "the head is computed in float32 in the live engines, on both sides; where the reference is only a "
        "recorded trace, in the candidate alone, judged against the trainer's float32 head",
        'float32 on every side or on none: `hf_overrides={"head_dtype": "float32"}` (0.32.0 and others with '
        "the native setting) together with a float32 head in the trainer",
    ),
    Cause.ATTENTION: About(
        "Attention kernel or compilation",
        "path",
        "the difference grows with the position or with what is compiled",
        "a second engine with `enforce_eager=True` (on GPUs)",
        "`enforce_eager=True`, or another attention backend, if the loss of speed is worth it",
    ),
    Cause.DECODE_PREFILL: About(
        "Decoding and prefill compute differently",
        "path",
        "an engine's own raw logprobs differ between decoding and prefill over the same tokens",
        "the same tokens are scored by one prefill in the live engine",
        "take rollout logprobs from decoding; expect the trainer, which prefills, to differ by this much",
    ),
    Cause.PREFIX_CACHE: About(
        "Prefix caching",
        "path",
        "prompts that share a block take it from the cache",
        "reads from the cache are switched off in the live engine; cached prompt tokens must drop to 0",
        "`enable_prefix_caching=False`, or a reset after every weight update",
    ),
    Cause.BATCHING: About(
        "Batch size and order",
        "path",
        "the same tokens get other logprobs in another batch",
        "half as many sequences at once, in another order; rows per step are counted",
        "batch-invariant kernels where the device has them; else accept it as the noise floor",
    ),
    Cause.SCHEDULING: About(
        "Chunked prefill or asynchronous scheduling",
        "path",
        "prompts are cut at other places, or steps overlap",
        "`max_num_batched_tokens` is lowered in the live engine (tokens per step are counted); "
        "`async_scheduling=False` in a second engine, on GPUs",
        "`async_scheduling=False`; a `max_num_batched_tokens` that holds the longest prompt",
    ),
    Cause.MOE_ROUTING: About(
        "Expert routing",
        "path",
        "a mixture-of-experts model whose few moved tokens move far",
        "none in a live engine: tokens near a tie take another expert whatever is set",
        "router logits in float32, or replay of the recorded routing in the trainer",
    ),
    Cause.STALE_PREFIX_CACHE: About(
        "Cache kept over a weight update",
        "sync",
        "after an update, prompts that share cached blocks differ from a cold engine on the new weights",
        "the prefix cache is reset after the update",
        "`reset_prefix_cache()` after every weight update, and check what it returns; or no prefix caching",
    ),
    Cause.SKIPPED_SYNC: About(
        "Weights that never arrived",
        "sync",
        "after an update the engine still computes with the old weights",
        "the update is made again and compared with a cold engine on the new weights",
        "wait for the update to finish and compare checksums before sampling",
    ),
    Cause.UNEXPLAINED: About(
        "Not explained",
        "",
        "a difference beyond the margin that no rung removes by half",
        "all that were tried, in the ladder",
        "try `--ladder all`; the residual is what is left to explain",
    ),
}


def page() -> str:
    """The page of all causes as Markdown."""
    head = (
        "# Causes\n\n"
        "What `vllm-migrate audit` can name as the reason why a candidate differs, the `cause` of its\n"
        "report. A cause is named after an intervention: one setting is changed, the same tokens are\n"
        "replayed, and the change must remove at least half of the excess over the noise floor, with an\n"
        "interval above zero; in a candidate that fails, half of what exceeds the rounding of two\n"
        "correct engines will do. `ladder` in the report holds every rung that was tried, with its control,\n"
        "and what is left.\n\n"
        "The rungs were run on CPUs (vLLM 0.8.5 with V0; 0.18.1 and 0.32.0). There batch size, prefill\n"
        "chunks and prefix caching change no bit; on a GPU they may.\n"
    )
    return head + "".join(_section(cause, about) for cause, about in ABOUT.items())


def _section(cause: Cause, about: About) -> str:
    layer = f"Layer: {about.layer}.\n\n" if about.layer else ""
    return (
        f"\n## {cause.value}\n\n{about.title}.\n\n{layer}"
        f"* Signature: {about.signature}.\n* Intervention: {about.intervention}.\n* Remedy: {about.remedy}.\n"
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
