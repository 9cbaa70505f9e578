using System.CommandLine;
using FineMixing.Checkpoints;
using FineMixing.Cli.CommandLine;
using FineMixing.Cli.Terminal;

namespace FineMixing.Cli.Commands;

/// <summary><c>finemix compare</c>: do suspect and base have the same tensors?</summary>
internal static class CompareCommand
{
    public static Command Create()
    {
        var suspect = CommonOptions.Folder("--suspect", "The fine-tuned model.");
        var adapter = CommonOptions.Adapter();
        var @base = CommonOptions.Folder("--base", "The pre-trained model it is said to come from.");
        var json = CommonOptions.Json();
        var command = new ExampleCommand("compare", "Compares names, shapes and types of the tensors of two models; exit code 1 if they cannot be mixed.",
            "finemix compare --suspect ./suspect --base ./bert-base-uncased")
        {
            suspect, adapter, @base, json,
        };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(suspect), parsed.GetValue(adapter), parsed.GetRequiredValue(@base), parsed.GetValue(json)));
        return command;
    }

    private static int Run(string suspectFolder, string? adapter, string baseFolder, string? json)
    {
        using var suspect = Suspect.Open(suspectFolder, adapter);
        using var @base = Checkpoint.Open(baseFolder, NoteLogger.Instance);
        var comparison = CheckpointComparison.Compare(suspect, @base);

        Screen.Line($"{comparison.Pairs.Count} tensors in both, {comparison.Pairs.Sum(p => p.Suspect.ElementCount):N0} values");
        List("only in the suspect", comparison.SuspectOnly);
        List("only in the base", comparison.BaseOnly);
        List("buffers without learned values", comparison.StrayBuffers);
        foreach (var pair in comparison.DTypeDifferences.GroupBy(p => (p.Suspect.DType, p.Base.DType)))
            Screen.Line($"types differ: {pair.Key.Item1.SafetensorsName()} in the suspect, {pair.Key.Item2.SafetensorsName()} in the base, {pair.Count()} tensors");
        foreach (var problem in comparison.Problems)
            Screen.Line($"problem: {problem}");
        JsonFile.Write(json, new
        {
            pairs = comparison.Pairs.Select(p => new { suspect = p.Suspect.Name, @base = p.Base.Name, shape = p.Suspect.Shape, suspectType = p.Suspect.DType.SafetensorsName(), baseType = p.Base.DType.SafetensorsName() }),
            suspectOnly = comparison.SuspectOnly.Select(t => t.Name),
            baseOnly = comparison.BaseOnly.Select(t => t.Name),
            problems = comparison.Problems,
        });
        comparison.ThrowIfIncompatible();
        return 0;
    }

    private static void List(string what, IReadOnlyList<TensorInfo> tensors)
    {
        if (tensors.Count > 0)
            Screen.Line($"{what}: {string.Join(", ", tensors.Select(t => $"{t.Name} {t.ShapeText}"))}");
    }
}
