"""`python -m churnflow`: the same program as the `churnflow` command."""

from churnflow.cli.app import main

if __name__ == "__main__":
    main()
