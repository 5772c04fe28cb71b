"""What values reach a place in a project's code: constants, parameters, dataclasses, options, YAML keys."""
