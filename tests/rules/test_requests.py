"""Fields of requests: whose dictionary they stand in decides what is done about them."""

from __future__ import annotations

import pytest
from rule_support import by_code, edited, find

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.files.prefilter import worth_parsing

HEAD = "from openai import OpenAI\n\nclient = OpenAI()\n\n\ndef ask(schema, url, messages):\n"
CREATE = "    return client.chat.completions.create(model='m', messages=messages, extra_body={body})\n"


@pytest.mark.parametrize(
    ("body", "after", "safety"),
    [
        ('{"guided_json": {"type": "object"}}', '{"json": {"type": "object"}}', Safety.SAFE),
        ('{"guided_json": schema}', '{"json": schema}', Safety.UNSAFE),
        ('{"guided_json": schema.model_json_schema()}', '{"json": schema.model_json_schema()}', Safety.SAFE),
        ("{'guided_regex': r'[a-z]+', 'top_k': 5}", "{\"regex\": r'[a-z]+'}", Safety.SAFE),
        ('{"top_k": 5, "guided_grammar": "root ::= x"}', '{"grammar": "root ::= x"}', Safety.SAFE),
    ],
)
def test_one_constraint_is_renamed_and_nothing_else_touched(body: str, after: str, safety: Safety) -> None:
    text = HEAD + CREATE.format(body=body)
    (finding,) = find(by_code("VM307"), text)
    assert (finding.safety, finding.level) == (safety, Level.WARNING)
    result = edited("VM307", text)
    assert f"structured_outputs{body[1]}: {after}" in result
    assert ("top_k" in result) == ("top_k" in body)


def test_the_backend_goes_with_it() -> None:
    text = HEAD + CREATE.format(body='{"guided_choice": ["a"], "guided_decoding_backend": "outlines"}')
    assert 'extra_body={"structured_outputs": {"choice": ["a"]}}' in edited("VM307", text)


@pytest.mark.parametrize(
    "body",
    [
        '{"guided_json": schema, "guided_regex": None}',
        '{"guided_json": schema, "guided_whitespace_pattern": " "}',
    ],
)
def test_several_in_one_dictionary_are_left_to_a_person(body: str) -> None:
    text = HEAD + CREATE.format(body=body)
    found = find(by_code("VM307"), text)
    assert {finding.safety for finding in found} == {Safety.MANUAL}
    assert edited("VM307", text) == text


@pytest.mark.parametrize(
    "line",
    [
        "    return engine.generate(url, guided_options_request={'guided_regex': 'a'})\n",
        "    return {'json': schema, 'structured_outputs': {'regex': 'a'}}\n",
        "    guided_json = schema\n    return guided_json\n",
        "    return schema['guided_json']\n",
    ],
)
def test_what_is_no_request_is_left_alone(line: str) -> None:
    assert find(by_code("VM307"), HEAD + line) == []


def test_a_client_that_names_no_vllm_is_read() -> None:
    assert worth_parsing(b"import requests\n\nrequests.post(u, json={'guided_json': s})\n")


@pytest.mark.parametrize(
    ("made", "then"),
    [
        ("{'model': 'm', 'prompt': 'a'}", "return fields"),
        ("dict(messages)", "return post(url, json=fields)"),
        ("dict(messages)", "return post(url, data=json.dumps(fields))"),
        ("copy(url)", "return client.create(**fields)"),
        ("copy(url)", "fields['messages'] = messages"),
    ],
)
def test_a_dictionary_that_is_filled_and_sent_is_a_request(made: str, then: str) -> None:
    text = f"{HEAD}    fields = {made}\n    fields['guided_json'] = schema\n    {then}\n"
    assert len(find(by_code("VM307"), text)) == 1


def test_a_name_says_that_a_dictionary_is_sent() -> None:
    text = f"{HEAD}    url.extra_body['guided_json'] = schema\n    url.options['guided_json'] = schema\n"
    (found,) = find(by_code("VM307"), text)
    assert found.span.start < text.index("url.options")


@pytest.mark.parametrize(
    ("made", "then"),
    [
        ("url.copy()", "return answer(messages, **fields)"),
        ("dict(url)", "return fields"),
        ("{'max_loras': 1, 'device': 'auto', 'guided_decoding_backend': 'outlines'}", "return fields"),
        ("{'collection': url, 'rerank': True}", "return post(url, json=fields)"),
    ],
)
def test_a_dictionary_that_goes_elsewhere_is_none(made: str, then: str) -> None:
    text = f"{HEAD}    fields = {made}\n    fields['guided_json'] = schema\n    {then}\n"
    assert find(by_code("VM307"), text) == []
