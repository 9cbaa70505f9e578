using System.CommandLine;
using System.Globalization;
using System.Numerics.Tensors;
using FineMixing.Cli.CommandLine;
using FineMixing.Cli.Terminal;
using FineMixing.Datasets;
using FineMixing.Evaluation;
using FineMixing.Models;
using FineMixing.Torch.Evaluation;

namespace FineMixing.Cli.Commands;

/// <summary><c>finemix predict</c>: label and probability of texts.</summary>
internal static class PredictCommand
{
    /// <summary>The option that a text is given with.</summary>
    public const string Text = "--text";

    private const int LinesAtOnce = 512;

    public static Command Create()
    {
        var model = CommonOptions.Folder("--model", "The classifier.");
        var text = new Option<string[]>(Text) { Description = "A text to classify; without it, each line of standard input is one. A tab separates the two texts of a pair.", HelpName = "T" };
        var device = CommonOptions.Device();
        var command = new ExampleCommand("predict", "Prints label and probability of each text, separated by a tab.",
            "finemix predict --model ./cleaned --text \"a film to remember\"",
            "finemix predict --model ./cleaned < sentences.txt")
        {
            model, text, device,
        };
        command.SetAction((parsed, token) => Task.Run(() => Run(parsed.GetRequiredValue(model), parsed.GetValue(text) ?? [], parsed.GetValue(device)!, token), token));
        return command;
    }

    private static int Run(string modelFolder, string[] texts, string device, CancellationToken token)
    {
        var model = ModelFolder.Open(modelFolder, NoteLogger.Instance).ToClassifier();
        var options = new PredictionOptions { Device = device, MaxLength = Math.Min(512, model.Config.MaxPositions) };
        var number = 0;
        foreach (var lines in texts.Length > 0 ? [texts] : InputLines().Chunk(Console.IsInputRedirected ? LinesAtOnce : 1))
        {
            var examples = lines.Select(line => ToExample(line, ++number, texts.Length > 0)).ToArray();
            foreach (var logits in new TorchPredictor(NoteLogger.Instance).Logits(model, examples, options, cancellationToken: token))
                Print(model.Config, logits);
        }

        return 0;
    }

    private static IEnumerable<string> InputLines()
    {
        while (Console.In.ReadLine() is { } line)
            yield return line;
    }

    private static TextExample ToExample(string line, int number, bool fromOption)
    {
        var parts = line.Split('\t', 2);
        if (parts.Any(string.IsNullOrWhiteSpace))
            throw new CommandFailedException(fromOption ? "The text given with --text is empty." : $"Line {number.ToString(CultureInfo.InvariantCulture)} of standard input has an empty text.");
        return new TextExample(parts[0], parts.Length > 1 ? parts[1] : null, 0);
    }

    private static void Print(ModelConfig config, float[] logits)
    {
        var probabilities = new float[logits.Length];
        TensorPrimitives.SoftMax(logits, probabilities);
        var label = TensorPrimitives.IndexOfMax<float>(probabilities);
        Screen.Line(config.Labels[label], probabilities[label].ToString("F4", CultureInfo.InvariantCulture));
    }
}
