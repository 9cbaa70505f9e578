using System.Collections.Immutable;
using System.Globalization;
using FineMixing.Checkpoints;
using FineMixing.Models;
using FineMixing.Provenance;

namespace FineMixing.QuickStart;

/// <summary>The folder a run leaves behind: complete or not there at all.</summary>
internal static class Output
{
    public const string CleanedModel = "cleaned-model";
    public const string SuspectModel = "backdoored-model";
    public const string ResultFile = "quickstart.json";

    /// <summary>A folder may be replaced when it is empty or was made by the quick start; otherwise only if that is asked for.</summary>
    /// <exception cref="IOException">It holds something else.</exception>
    public static void CheckReplaceable(string folder, bool overwrite)
    {
        if (File.Exists(folder))
            throw new IOException($"The output '{folder}' is a file; name a folder.");
        if (!overwrite && Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any() && !File.Exists(Path.Combine(folder, ResultFile)))
            throw new IOException($"The output folder '{folder}' holds files that are not of an earlier quick start; name another with --output, or ask for --overwrite.");
    }

    /// <summary>Writes models, report and figures.</summary>
    public static void Write(QuickStartResult result, string folder, bool overwrite)
    {
        CheckReplaceable(folder, overwrite);
        var target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        var temporary = $"{target}.{Guid.NewGuid():N}.tmp";
        try
        {
            Directory.CreateDirectory(temporary);
            Save(result.Suspect, Path.Combine(temporary, SuspectModel), Manifest("badnets", result));
            Save(result.Cleaned.Model, Path.Combine(temporary, CleanedModel), Manifest("fine-mixing", result));
            ReportPage.Build(result).Save(temporary);
            Cli.JsonFile.Write(Path.Combine(temporary, ResultFile), Figures.Of(result));
            if (Directory.Exists(target))
                Directory.Delete(target, recursive: true);
            Directory.Move(temporary, target);
        }
        finally
        {
            if (Directory.Exists(temporary))
                Directory.Delete(temporary, recursive: true);
        }
    }

    private static void Save(ClassifierModel model, string folder, ProvenanceManifest manifest) => ModelFolder.Save(
        model, folder, QuickStartRun.EmbeddedModel, DType.F16, manifest.ToMetadata(),
        extraFiles: new Dictionary<string, ReadOnlyMemory<byte>> { [ProvenanceManifest.FileName] = manifest.ToBytes() });

    private static ProvenanceManifest Manifest(string method, QuickStartResult result)
    {
        var options = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["data"] = result.Data.Description,
            ["clean-samples-sha256"] = result.Data.Clean.Sha256,
        };
        if (method != "badnets")
        {
            options["reserve-ratio"] = result.Options.ReserveRatio.ToString(CultureInfo.InvariantCulture);
            options["purify-top-k"] = result.Options.PurifyTopK.ToString(CultureInfo.InvariantCulture);
        }

        return new ProvenanceManifest { Method = method, Seed = result.Options.Seed, Options = options.ToImmutableSortedDictionary(StringComparer.Ordinal) };
    }
}
