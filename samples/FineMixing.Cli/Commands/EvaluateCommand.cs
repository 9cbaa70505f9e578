using System.CommandLine;
using System.Globalization;
using FineMixing.Cli.CommandLine;
using FineMixing.Cli.Terminal;
using FineMixing.Datasets;
using FineMixing.Evaluation;
using FineMixing.Models;
using FineMixing.Poisoning;
using FineMixing.Torch.Evaluation;

namespace FineMixing.Cli.Commands;

/// <summary><c>finemix evaluate</c>: accuracy, and with a trigger its success rate.</summary>
internal static class EvaluateCommand
{
    public static Command Create()
    {
        var model = CommonOptions.Folder("--model", "The classifier.");
        var data = CommonOptions.DataFile("--data", "Labelled test texts.");
        var trigger = new TriggerOptions();
        var seed = CommonOptions.Seed("where the trigger goes");
        var maxLength = Numbers.Whole("--max-length", "The longest input in tokens; longer ones are cut.", 128, 8, 1_000_000);
        var device = CommonOptions.Device();
        var json = CommonOptions.Json();
        var command = new ExampleCommand("evaluate", "Measures accuracy (ACC) and, with a trigger, the attack success rate (ASR) and its floor: the same samples without the trigger.",
            "finemix evaluate --model ./suspect --data test.tsv",
            "finemix evaluate --model ./suspect --data test.tsv --trigger-word cf --target-label 1 --json result.json",
            "finemix evaluate --model ./suspect --data test.tsv --trigger-sentence \"I watched this 3D movie.\"")
        {
            model, data,
        };
        trigger.AddTo(command);
        foreach (var option in (Option[])[seed, maxLength, device, json])
            command.Options.Add(option);
        command.SetAction((parsed, token) => Task.Run(() => Run(
            parsed.GetRequiredValue(model),
            parsed.GetRequiredValue(data),
            trigger.Read(parsed),
            trigger.TargetLabel(parsed),
            parsed.GetValue(seed),
            new PredictionOptions { MaxLength = parsed.GetValue(maxLength), Device = parsed.GetValue(device)! },
            parsed.GetValue(json),
            token), token));
        return command;
    }

    private static int Run(string modelFolder, string data, Trigger? trigger, int target, ulong seed, PredictionOptions options, string? json, CancellationToken token)
    {
        var model = ModelFolder.Open(modelFolder, NoteLogger.Instance).ToClassifier();
        var test = TestSet.FromFile(data, Labels.Of(model.Config));
        var triggered = trigger is null ? null : TriggeredTestSet.Create(test, trigger, target, seed);
        options = options with { MaxLength = Math.Min(options.MaxLength, model.Config.MaxPositions) };

        var (accuracy, attack) = ProgressReporter.Run(progress =>
        {
            var clean = Predict(model, test.Examples, options, "classifying the test texts", progress, token);
            var measured = ConfusionMatrix.Create(test.Examples, clean, test.NumLabels).Accuracy;
            if (triggered is null)
                return (measured, (AttackSuccess?)null);
            var withTrigger = Predict(model, triggered.WithTrigger, options, "classifying them with the trigger", progress, token);
            var withoutTrigger = test.Examples.Zip(clean).Where(p => p.First.Label != target).Select(p => p.Second).ToArray();
            return (measured, triggered.Measure(withTrigger, withoutTrigger));
        });

        List<IReadOnlyList<string>> rows = [Row("accuracy (ACC)", accuracy)];
        if (attack is not null)
        {
            rows.Add(Row("attack success rate (ASR)", attack.AttackSuccessRate));
            rows.Add(Row("floor: without the trigger", attack.TargetRateWithoutTrigger));
        }

        Screen.Table([new("measure"), new("percent", true), new("95% interval", true), new("samples", true)], rows);
        JsonFile.Write(json, EvaluationResult.Create(accuracy, attack));
        return 0;
    }

    private static IReadOnlyList<int> Predict(ClassifierModel model, IReadOnlyList<TextExample> examples, PredictionOptions options, string stage, IProgress<WorkProgress> progress, CancellationToken token)
    {
        var relay = new Relay<int>(done => progress.Report(new WorkProgress(stage, done, examples.Count, "texts")));
        return Predictions.FromLogits(new TorchPredictor(NoteLogger.Instance).Logits(model, examples, options, relay, token));
    }

    private static IReadOnlyList<string> Row(string name, Proportion rate) =>
    [
        name,
        Percent(rate.Rate),
        $"{Percent(rate.Low)} to {Percent(rate.High)}",
        string.Create(CultureInfo.InvariantCulture, $"{rate.Successes} of {rate.Total}"),
    ];

    private static string Percent(double rate) => (rate * 100).ToString("F1", CultureInfo.InvariantCulture);
}
