"""Entry point of `vllm-migrate` and `python -m vllm_migrate`."""

from vllm_migrate.cli.app import main

if __name__ == "__main__":
    main()
