from setuptools import find_packages, setup

setup(
    name="turns",
    version="0.1.0",
    packages=find_packages(),
    install_requires=["vllm==0.8.5", "transformers>=4.48,<4.52", "jinja2"],
)
