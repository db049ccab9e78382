"""Write the pages."""

from hack.docslib.pages import DIRECTORY, PAGES

if __name__ == "__main__":
    for name, text in PAGES.items():
        (DIRECTORY / name).write_text(text())
