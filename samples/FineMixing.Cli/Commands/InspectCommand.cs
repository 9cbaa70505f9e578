using System.CommandLine;
using System.Globalization;
using FineMixing.Checkpoints;
using FineMixing.Cli.CommandLine;
using FineMixing.Cli.Terminal;

namespace FineMixing.Cli.Commands;

/// <summary><c>finemix inspect</c>: the tensors of a model.</summary>
internal static class InspectCommand
{
    public static Command Create()
    {
        var folder = CommonOptions.ModelFolder("DIR", "A model folder, a weights file, or the index of shards.");
        var json = CommonOptions.Json();
        var command = new ExampleCommand("inspect", "Lists the tensors of a model, with totals.",
            "finemix inspect ./suspect",
            "finemix inspect ./suspect/model.safetensors --json tensors.json")
        {
            folder, json,
        };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(folder), parsed.GetValue(json)));
        return command;
    }

    private static int Run(string folder, string? json)
    {
        using var checkpoint = Checkpoint.Open(folder);
        Screen.Table(
            [new("tensor"), new("type"), new("shape"), new("values", true)],
            [.. checkpoint.Tensors.Select(t => (IReadOnlyList<string>)[t.Name, t.DType.SafetensorsName(), t.ShapeText, t.ElementCount.ToString("N0", CultureInfo.InvariantCulture)])]);
        var values = checkpoint.Tensors.Sum(t => t.ElementCount);
        var bytes = checkpoint.Tensors.Sum(t => t.ByteLength);
        Screen.Line(string.Create(CultureInfo.InvariantCulture, $"{checkpoint.Tensors.Count} tensors, {values:N0} values, {bytes:N0} bytes"));
        JsonFile.Write(json, new
        {
            tensors = checkpoint.Tensors.Select(t => new { name = t.Name, type = t.DType.SafetensorsName(), shape = t.Shape, values = t.ElementCount }),
            values,
            bytes,
        });
        return 0;
    }
}
