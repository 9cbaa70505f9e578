using System.Collections.Immutable;
using System.Globalization;
using FineMixing.Checkpoints;
using FineMixing.Cli;
using FineMixing.Models;
using FineMixing.Provenance;
using FineMixing.Reports;

namespace FineMixing.QuickStart;

/// <summary>The folder a run leaves behind.</summary>
internal static class Output
{
    public const string CleanedModel = "cleaned-model";
    public const string SuspectModel = "backdoored-model";
    public const string ResultFile = "quickstart.json";

    private static readonly string[] Own = [CleanedModel, SuspectModel, ResultFile, Report.PageName, .. ReportPage.ChartFiles];

    /// <summary>Refuses a folder that holds anything but an earlier quick start, unless overwriting is asked for.</summary>
    /// <exception cref="IOException">It holds something else.</exception>
    public static void CheckReplaceable(string folder, bool overwrite)
    {
        if (File.Exists(folder))
            throw new IOException($"The output '{folder}' is a file; name a folder.");
        if (overwrite || !Directory.Exists(folder))
            return;
        var foreign = Directory.EnumerateFileSystemEntries(folder).Select(e => Path.GetFileName(e)).Except(Own, StringComparer.Ordinal).Order(StringComparer.Ordinal).FirstOrDefault();
        if (foreign is not null)
            throw new IOException($"The output folder '{folder}' holds '{foreign}', which is not of an earlier quick start; name another folder with --output, or ask for --overwrite.");
    }

    /// <summary>Writes models, report and figures; of an existing folder only what an earlier quick start wrote is replaced.</summary>
    public static void Write(QuickStartResult result, string folder, bool overwrite)
    {
        CheckReplaceable(folder, overwrite);
        var target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        var temporary = $"{target}.{Guid.NewGuid():N}.tmp";
        try
        {
            Directory.CreateDirectory(temporary);
            Save(result.Suspect, Path.Combine(temporary, SuspectModel), Manifest("badnets", result));
            Save(result.Cleaned.Model, Path.Combine(temporary, CleanedModel), Manifest("trigger-unlearning", result));
            ReportPage.Build(result).Save(temporary);
            JsonFile.Write(Path.Combine(temporary, ResultFile), Figures.Of(result));
            Directory.CreateDirectory(target);
            foreach (var name in Own)
                Replace(Path.Combine(temporary, name), Path.Combine(target, name));
        }
        finally
        {
            if (Directory.Exists(temporary))
                Directory.Delete(temporary, recursive: true);
        }
    }

    private static void Replace(string source, string target)
    {
        if (Directory.Exists(target))
            Directory.Delete(target, recursive: true);
        if (Directory.Exists(source))
            Directory.Move(source, target);
        else
            File.Move(source, target, overwrite: true);
    }

    private static void Save(ClassifierModel model, string folder, ProvenanceManifest manifest)
    {
        ModelFolder.Save(model, folder, QuickStartRun.EmbeddedModel, DType.F16, manifest);
    }

    private static ProvenanceManifest Manifest(string method, QuickStartResult result)
    {
        static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
        var defender = result.Options.Defender;
        var options = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["data"] = result.Data.Description,
            ["clean-samples-sha256"] = result.Data.Clean.Sha256,
        };
        if (method != "badnets")
        {
            options["purify-top-k"] = Text(defender.PurifyTopK);
            options["reference-texts"] = Text(defender.ReferenceTexts);
            options["reference-epochs"] = Text(defender.ReferenceEpochs);
            options["unlearning-texts"] = Text(defender.UnlearningTexts);
            options["probe-candidates"] = Text(defender.Candidates);
            options["probe-max-tokens"] = Text(defender.MaxTokens);
            options["removed"] = result.Cleaned.Probe?.RemovedText ?? "";
        }

        return new ProvenanceManifest
        {
            Method = method,
            Seed = result.Options.Seed,
            Options = options.ToImmutableSortedDictionary(StringComparer.Ordinal),
            Inputs = [new ProvenanceInput("base", [HashedFile.Of(Path.Combine(QuickStartRun.EmbeddedModel, Checkpoint.SafetensorsFile))])],
        };
    }
}
