from __future__ import annotations

import pytest

from vllm_migrate.statistics.holm import holm_corrected


def test_holm_corrects_as_published():
    assert holm_corrected([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm_corrected([]) == []
    assert holm_corrected([0.9, 0.9]) == [1.0, 1.0]
