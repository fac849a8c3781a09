"""Every folder of manifests in the corpus imports, checks, and can be read back by `isthmus apply -f`."""

from pathlib import Path

import pytest
import yaml

from isthmus.imports.crd import read_crds
from isthmus.model.check import check
from isthmus.model.files import read_file

FOLDERS = sorted((Path(__file__).parents[4] / "shared/corpus/appmesh/crd").glob("*"))


@pytest.mark.shared
@pytest.mark.skipif(not FOLDERS, reason="../shared is absent")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_of_the_corpus_imports_and_checks(folder: Path) -> None:
    files = [(file.name, file.read_text()) for file in sorted(folder.rglob("*.yaml"))]
    own_mesh = any("kind: Mesh" in text for _, text in files)
    imported = read_crds(files, None if own_mesh else "told", with_bindings=True)
    assert all(definition.documents for definition in imported.definitions)
    assert [check(definition) for definition in imported.definitions] == [()] * len(imported.definitions)
    written = yaml.safe_dump_all([definition.json() for definition in imported.definitions])
    assert read_file(written) == imported.definitions
