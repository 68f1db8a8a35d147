"""`python -m genaudit` and the `genaudit` command."""

from genaudit.cli import main

if __name__ == "__main__":
    main()
