using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Safetensors;

namespace FineMixing.Provenance;

/// <summary>Checks that a model folder still holds what its manifest says.</summary>
public static class ManifestVerifier
{
    /// <summary>Hashes every output of the manifest again, and compares method, seed and options with what the weights themselves say.</summary>
    /// <param name="folder">A model folder with a <c>finemixing.json</c>.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>Each mismatch in a sentence; empty if all is as it was written.</returns>
    /// <exception cref="FileNotFoundException">There is no manifest.</exception>
    /// <exception cref="CheckpointFormatException">The manifest cannot be understood.</exception>
    public static IReadOnlyList<string> Verify(string folder, CancellationToken cancellationToken = default)
    {
        var manifest = ProvenanceManifest.Read(Path.Combine(folder, ProvenanceManifest.FileName));
        var mismatches = manifest.Outputs.Select(o => Compare(folder, o, manifest, cancellationToken)).OfType<string>().ToList();
        var listed = manifest.Outputs.Select(o => o.Name).ToHashSet(StringComparer.Ordinal);
        mismatches.AddRange(Directory.EnumerateFiles(folder)
            .Select(f => Path.GetFileName(f))
            .Where(name => !listed.Contains(name) && CheckpointWriter.IsAnyWeights(name))
            .Order(StringComparer.Ordinal)
            .Select(name => $"'{name}' holds weights that the manifest does not list."));
        return mismatches;
    }

    /// <summary>Checks that the files of a checkpoint are those that were read as an input, in any order and place.</summary>
    /// <returns>Each mismatch in a sentence; empty if they are the same.</returns>
    public static IReadOnlyList<string> VerifyInput(ProvenanceInput input, ICheckpoint checkpoint, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        var actual = ProvenanceInput.Of(input.Role, checkpoint, cancellationToken).Files;
        var known = actual.Select(f => f.Sha256).ToHashSet(StringComparer.Ordinal);
        var mismatches = input.Files.Where(f => !known.Contains(f.Sha256))
            .Select(f => $"The {input.Role} '{checkpoint.Location}' has no file with the content of '{f.Name}' (SHA-256 {f.Sha256}).").ToList();
        if (actual.Length > input.Files.Length)
            mismatches.Add($"The {input.Role} '{checkpoint.Location}' has {actual.Length} files; {input.Files.Length} were read.");
        return mismatches;
    }

    private static string? Compare(string folder, HashedFile expected, ProvenanceManifest manifest, CancellationToken cancellationToken)
    {
        string path;
        try
        {
            path = FolderLinks.Follow(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)), expected.Name);
        }
        catch (FileNotFoundException)
        {
            return $"'{expected.Name}' is missing.";
        }
        catch (CheckpointFormatException e)
        {
            return $"'{expected.Name}' cannot be checked: {e.Reason}.";
        }

        if (CheckpointFile.IsEmpty(path))
            return expected.Length == 0 ? null : $"'{expected.Name}' is empty; the manifest says {expected.Length} bytes.";
        var length = new FileInfo(path).Length;
        if (length != expected.Length)
            return $"'{expected.Name}' has {length} bytes; the manifest says {expected.Length}.";
        var hash = FileHasher.Sha256(path, cancellationToken);
        if (hash != expected.Sha256)
            return $"'{expected.Name}' has SHA-256 {hash}; the manifest says {expected.Sha256}.";
        return Path.GetExtension(expected.Name) == ".safetensors" ? CompareMetadata(path, expected.Name, manifest) : null;
    }

    // Weights written by this library say in their own header how they were made: an edited manifest contradicts them.
    private static string? CompareMetadata(string path, string name, ProvenanceManifest manifest)
    {
        using var checkpoint = SafetensorsCheckpoint.Open(path);
        var differences = manifest.ToMetadata()
            .Where(said => checkpoint.Metadata.TryGetValue(said.Key, out var written) && written != said.Value)
            .Select(said => $"{said.Key} '{checkpoint.Metadata[said.Key]}' where the manifest says '{said.Value}'").ToList();
        return differences.Count == 0 ? null : $"'{name}' was written with {string.Join(", ", differences)}.";
    }
}
