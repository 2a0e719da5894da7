//! Digests as text.

use sha2::{Digest, Sha256};

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of a file's bytes in lower-case hexadecimal.
///
/// # Errors
///
/// Fails where the file cannot be read.
pub fn file_sha256(path: &std::path::Path) -> std::io::Result<String> {
    let bytes = std::fs::read(path)?;
    Ok(hex(&Sha256::digest(&bytes)))
}
