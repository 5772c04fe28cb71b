"""The fields that a request to vLLM's server, or the call of its client, may have.

A body that has several others is some other server's: vLLM's takes fields it doesn't know and ignores them,
and nobody writes them for it.
"""

from __future__ import annotations

_OF_OPENAI = (
    "audio echo frequency_penalty function_call functions input instructions logit_bias logprobs "
    "max_completion_tokens max_output_tokens max_tokens messages metadata modalities model n "
    "parallel_tool_calls prediction presence_penalty prompt reasoning reasoning_effort response_format "
    "role seed service_tier stop store stream stream_options suffix temperature tool_choice tools "
    "top_logprobs top_p user"
)
_OF_VLLM = (
    "add_generation_prompt add_special_tokens allowed_token_ids bad_words best_of cache_salt "
    "chat_template chat_template_kwargs continue_final_message documents ec_transfer_params guided_choice "
    "guided_decoding_backend guided_grammar guided_json guided_regex guided_whitespace_pattern ignore_eos "
    "include_reasoning include_stop_str_in_output kv_transfer_params length_penalty logits_processors "
    "logprob_token_ids lora_request media_io_kwargs min_p min_tokens mm_payload mm_processor_kwargs "
    "priority prompt_embeds prompt_logprobs repetition_detection repetition_penalty request_id "
    "return_mm_kwargs return_prompt_text return_token_ids return_token_offsets return_tokens_as_token_ids "
    "routed_experts_prompt_start session_id skip_special_tokens spaces_between_special_tokens "
    "stop_token_ids stream_interval structural_tag structured_outputs thinking_token_budget top_k "
    "truncate_prompt_tokens truncation_side use_beam_search use_tqdm vllm_xargs watermarking"
)
"""Fields of `ChatCompletionRequest` and `CompletionRequest` in vLLM 0.8.5 and 0.32.0 beside OpenAI's own."""
_OF_CLIENTS = (
    "api_base api_key base_url custom_llm_provider data drop_params extra_body extra_headers extra_query "
    "headers json method params timeout url"
)
"""What the OpenAI client, requests, httpx and litellm take beside the body."""
_KNOWN = frozenset(f"{_OF_OPENAI} {_OF_VLLM} {_OF_CLIENTS}".split())
_SEVERAL = 2

BODY_FIELDS = frozenset({"input", "messages", "prompt"})
"""What a body is about: one with such a field is a request."""


def is_of_another_server(fields: set[str]) -> bool:
    """Whether several of the fields are neither OpenAI's nor vLLM's nor a client's."""
    return len(fields - _KNOWN) >= _SEVERAL
