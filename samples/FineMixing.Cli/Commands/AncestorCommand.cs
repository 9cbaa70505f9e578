using System.CommandLine;
using System.Globalization;
using FineMixing.Checkpoints;
using FineMixing.Cli.CommandLine;
using FineMixing.Cli.Terminal;

namespace FineMixing.Cli.Commands;

/// <summary><c>finemix ancestor</c>: was the suspect fine-tuned from this base?</summary>
internal static class AncestorCommand
{
    public static Command Create()
    {
        var suspect = CommonOptions.Folder("--suspect", "The fine-tuned model.");
        var adapter = CommonOptions.Adapter();
        var @base = CommonOptions.Folder("--base", "The pre-trained model it is said to come from.");
        var json = CommonOptions.Json();
        var command = new ExampleCommand("ancestor", "Shows how far each layer of the suspect is from the base; exit code 1 if the suspect was hardly fine-tuned from it.",
            "finemix ancestor --suspect ./suspect --base ./bert-base-uncased")
        {
            suspect, adapter, @base, json,
        };
        command.SetAction((parsed, token) => Task.Run(() => Run(parsed.GetRequiredValue(suspect), parsed.GetValue(adapter), parsed.GetRequiredValue(@base), parsed.GetValue(json), token), token));
        return command;
    }

    private static int Run(string suspectFolder, string? adapter, string baseFolder, string? json, CancellationToken token)
    {
        using var suspect = Suspect.Open(suspectFolder, adapter);
        using var @base = Checkpoint.Open(baseFolder, NoteLogger.Instance);
        CheckpointComparison.Compare(suspect, @base).ThrowIfIncompatible();
        var check = AncestorCheck.Run(suspect, @base, token);

        Screen.Table(
            [new("layer"), new("values", true), new("relative drift", true), new("cosine", true)],
            [.. check.Layers.Select(l => (IReadOnlyList<string>)[l.Layer, l.ElementCount.ToString("N0", CultureInfo.InvariantCulture), l.RelativeDrift.ToString("F4", CultureInfo.InvariantCulture), l.Cosine.ToString("F4", CultureInfo.InvariantCulture)])]);
        JsonFile.Write(json, new { plausible = check.IsPlausible, identicalMatrices = check.HasIdenticalMatrices, medianCosine = check.MedianCosine, layers = check.Layers });
        if (!check.IsPlausible)
            throw new CommandFailedException($"'{baseFolder}' is hardly what the suspect was fine-tuned from: {check.Finding}.");
        Screen.Line(check.HasIdenticalMatrices ? "plausible: all weight matrices are the same; at most biases, normalisation layers and the head differ" : $"plausible: {check.Finding}");
        return 0;
    }
}
