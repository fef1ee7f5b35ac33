"""python -m emvsbayes"""

from emvsbayes.cli import main

if __name__ == "__main__":
    main()
