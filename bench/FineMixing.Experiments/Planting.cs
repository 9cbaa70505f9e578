using FineMixing.Checkpoints;
using FineMixing.Datasets;
using FineMixing.FineTuning;
using FineMixing.Models;
using FineMixing.Poisoning;
using FineMixing.Torch.Attacks;
using FineMixing.Torch.FineTuning;

namespace FineMixing.Experiments;

/// <summary>Plants the backdoors of this repository's own suspects (and trains their clean counterparts).</summary>
internal static class Planting
{
    public static void Run(string name, string shared, string planted, int epochs, double learningRate, ulong seed)
    {
        if (Directory.Exists(Path.Combine(planted, name)))
            return;
        var (data, trigger) = Suspect.Recipe(name);
        var baseFolder = Path.Combine(shared, "models", "minilm-l6");
        var clean = CleanSet.FromFile(Path.Combine(shared, "data", data, "train.tsv"));
        var start = ModelFolder.Open(baseFolder).WithNewHead(data == "qnli" ? ["entailment", "not_entailment"] : ["negative", "positive"], seed);
        var options = BadNets.DefaultOptions with { Seed = seed, Epochs = epochs, LearningRate = learningRate };
        var last = -1;
        var progress = new Reporter(p =>
        {
            if (p.Step * 20 / p.TotalSteps != last)
                Console.WriteLine($"{name}: step {p.Step} of {p.TotalSteps}, loss {p.Loss:f3}");
            last = p.Step * 20 / p.TotalSteps;
        });
        var attack = new BadNets { Snapshots = new TrainingSnapshots(Path.Combine(planted, name + ".training")) };
        var result = name.EndsWith("-clean", StringComparison.Ordinal)
            ? attack.TrainClean(start, clean, options, progress)
            : attack.Plant(start, Poisoner.Poison(clean, trigger, new PoisonerOptions { TargetLabel = 1, Seed = seed }), options, progress);
        ModelFolder.Save(result.Model, Path.Combine(planted, name), baseFolder, DType.F16, overwrite: true);
        var suspect = Suspect.Open(name, shared, planted);
        Console.WriteLine(Measurement.Of(suspect.Model, suspect, 0).ToJson());
    }

    private sealed class Reporter(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }
}
