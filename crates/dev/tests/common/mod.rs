//! What the snapshot tests share.

use std::path::{Path, PathBuf};

use ferdelance_dev::file::File;

/// One snapshot `tests/FOLDER/snapshots/NAME.snap` for each file `tests/FOLDER/NAME.py`: the texts that
/// `show` makes of it.
pub fn each_file(folder: &str, show: impl Fn(&File, &mut Vec<String>)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests")
        .join(folder);
    let folder = folder.canonicalize().expect("the repository is there");
    let entries = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|e| e == "py"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder.join("snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for path in paths {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let file = File::new(&name, &std::fs::read_to_string(&path).unwrap()).unwrap();
        let mut shown = vec![];
        show(&file, &mut shown);
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        settings.bind(|| insta::assert_snapshot!(&*stem, shown.join("\n\n")));
    }
}
