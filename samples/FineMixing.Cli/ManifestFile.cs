using FineMixing.Checkpoints;
using FineMixing.Provenance;

namespace FineMixing.Cli;

/// <summary>Puts a manifest beside a model that was just written.</summary>
internal static class ManifestFile
{
    public static void Write(string folder, ProvenanceManifest manifest, CancellationToken token)
    {
        var outputs = Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal).Select(f => HashedFile.Of(f, token));
        using var output = new OutputTransaction(folder, overwrite: false);
        output.Add(ProvenanceManifest.FileName, (manifest with { Outputs = [.. outputs] }).ToBytes());
        output.Commit(cancellationToken: token);
    }
}
