from setuptools import find_packages, setup

setup(
    name="gen",
    version="0.3.0",
    packages=find_packages(),
    install_requires=["torch", "transformers", "vllm>=0.7.0,<0.9.0"],
)
