using System.CommandLine;
using FineMixing.Cli.CommandLine;
using FineMixing.Cli.Terminal;
using FineMixing.Provenance;

namespace FineMixing.Cli.Commands;

/// <summary><c>finemix verify</c>: is a folder still what its manifest says?</summary>
internal static class VerifyCommand
{
    public static Command Create()
    {
        var folder = CommonOptions.ModelFolder("DIR", $"A model folder with a {ProvenanceManifest.FileName}.");
        var json = CommonOptions.Json();
        var command = new ExampleCommand("verify", $"Hashes the files of a model folder again and compares them with its {ProvenanceManifest.FileName}; exit code 1 if they differ.",
            "finemix verify ./cleaned")
        {
            folder, json,
        };
        command.SetAction((parsed, token) => Task.Run(() => Run(parsed.GetRequiredValue(folder), parsed.GetValue(json), token), token));
        return command;
    }

    private static int Run(string folder, string? json, CancellationToken token)
    {
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"There is no folder '{folder}'.");
        var manifest = ProvenanceManifest.Read(folder);
        var mismatches = ManifestVerifier.Verify(folder, token);
        JsonFile.Write(json, new { verified = mismatches.Count == 0, method = manifest.Method, files = manifest.Outputs.Length, mismatches });
        foreach (var mismatch in mismatches)
            Screen.Line(mismatch);
        if (mismatches.Count > 0)
            throw new CommandFailedException($"'{folder}' is not what its manifest says: {mismatches.Count} {(mismatches.Count == 1 ? "difference" : "differences")}.");
        Screen.Line($"{manifest.Outputs.Length} files are what the manifest says (made with {manifest.Method}, version {manifest.LibraryVersion}).");
        return 0;
    }
}
