using System.CommandLine;
using System.Globalization;
using FineMixing.Checkpoints;
using FineMixing.Cli.CommandLine;
using FineMixing.Cli.Terminal;

namespace FineMixing.Cli.Commands;

/// <summary><c>finemix inspect</c>: the tensors of a model and the range of their values.</summary>
internal static class InspectCommand
{
    public static Command Create()
    {
        var folder = CommonOptions.ModelFolder("DIR", "A model folder, a weights file, or the index of shards.");
        var adapter = CommonOptions.Adapter();
        var json = CommonOptions.Json();
        var command = new ExampleCommand("inspect", "Lists the tensors of a model with the range of their values, and totals.",
            "finemix inspect ./suspect",
            "finemix inspect ./suspect/model.safetensors --json tensors.json")
        {
            folder, adapter, json,
        };
        command.SetAction((parsed, token) => Task.Run(() => Run(parsed.GetRequiredValue(folder), parsed.GetValue(adapter), parsed.GetValue(json), token), token));
        return command;
    }

    private static int Run(string folder, string? adapter, string? json, CancellationToken token)
    {
        using var checkpoint = Suspect.Open(folder, adapter);
        var inspection = ProgressReporter.Run(progress => CheckpointInspection.Inspect(checkpoint, Bytes(checkpoint, progress), token));

        Screen.Table(
            [new("tensor"), new("type"), new("shape"), new("min", true), new("max", true), new("mean", true), new("NaN", true), new("infinite", true)],
            [.. inspection.Tensors.Select(t => (IReadOnlyList<string>)
                [t.Tensor.Name, t.Tensor.DType.SafetensorsName(), t.Tensor.ShapeText, Number(t.Min), Number(t.Max), Number(t.Mean), Seen(t, t.NaNCount), Seen(t, t.InfinityCount)])]);
        Screen.Line($"{inspection.Tensors.Count} tensors, {Count(inspection.ElementCount)} values, {Count(inspection.ByteLength)} bytes, {Count(inspection.NaNCount)} NaN, {Count(inspection.InfinityCount)} infinite");
        JsonFile.Write(json, new
        {
            tensors = inspection.Tensors.Select(t => new
            {
                name = t.Tensor.Name,
                type = t.Tensor.DType.SafetensorsName(),
                shape = t.Tensor.Shape,
                min = t.Min,
                max = t.Max,
                mean = t.Mean,
                nanCount = IsSeen(t) ? t.NaNCount : (long?)null,
                infinityCount = IsSeen(t) ? t.InfinityCount : (long?)null,
            }),
            values = inspection.ElementCount,
            bytes = inspection.ByteLength,
            nanCount = inspection.NaNCount,
            infinityCount = inspection.InfinityCount,
        });
        return 0;
    }

    private static Relay<TensorStatistics> Bytes(ICheckpoint checkpoint, IProgress<WorkProgress> progress)
    {
        var total = checkpoint.Tensors.Sum(t => t.ByteLength) / 1e6;
        double done = 0;
        return new Relay<TensorStatistics>(t => progress.Report(new WorkProgress("reading", done += t.Tensor.ByteLength / 1e6, total, "MB")));
    }

    private static string Number(double? value) => value?.ToString("G5", CultureInfo.InvariantCulture) ?? "";

    // Of types whose values are not looked at nothing is known.
    private static string Seen(TensorStatistics tensor, long count) => IsSeen(tensor) ? Count(count) : "";

    private static bool IsSeen(TensorStatistics tensor) => tensor.Tensor.DType.IsMixable() || tensor.Tensor.DType.IsInteger();

    private static string Count(long value) => value.ToString("N0", CultureInfo.InvariantCulture);
}
