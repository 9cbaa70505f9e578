using System.Diagnostics;
using System.Globalization;
using FineMixing.Checkpoints;
using FineMixing.Distillation;
using FineMixing.Mixing;
using FineMixing.Models;
using FineMixing.Pipelines;
using FineMixing.Purification;
using FineMixing.Torch.Evaluation;
using FineMixing.Torch.FineTuning;

namespace FineMixing.Experiments;

/// <summary>Runs defences over suspects and seeds, several side by side with one thread each.</summary>
internal static class Grid
{
    /// <summary>One defence by its text: METHOD[:RATIO|auto][:SCHEDULE][+epur], for example <c>fine-mixing:0.3+epur</c>, <c>distillation:0.8:reset-top:5+epur</c>, or <c>default</c>.</summary>
    /// <param name="text">The defence.</param>
    /// <param name="pairs">Whether the texts are pairs: their distillation has other defaults.</param>
    public static DefenceOptions Parse(string text, bool pairs)
    {
        // What follows @ changes the distillation: texts, epochs, lr, t (temperature), random, neighbours, crossovers.
        if (text.Split('@') is [var defence, var changes])
        {
            var parsed = Parse(defence, pairs);
            return parsed with { Distillation = changes.Split(',').Aggregate(pairs ? DistillationOptions.ForPairs : DistillationOptions.ForSentences, Change) };
        }

        if (text == "default")
            return DefenceDefaults.For(DefenceMethod.TriggerUnlearning, pairs);
        var purify = text.EndsWith("+epur", StringComparison.Ordinal);
        var parts = (purify ? text[..^5] : text).Split(':', 3);
        return new DefenceOptions
        {
            Method = DefenceMethods.Parse(parts[0]),
            ReserveRatio = parts.Length < 2 || parts[1] == "auto" ? null : double.Parse(parts[1], CultureInfo.InvariantCulture),
            Schedule = parts.Length < 3 ? RatioSchedule.Uniform : RatioSchedule.Parse(parts[2]),
            PurifyTopK = purify ? 200 : 0,
        };
    }

    private static DistillationOptions Change(DistillationOptions options, string change)
    {
        var parts = change.Split('=');
        var value = double.Parse(parts[1], CultureInfo.InvariantCulture);
        return parts[0] switch
        {
            "texts" => options with { Texts = (int)value },
            "epochs" => options with { Training = options.Training with { Epochs = (int)value } },
            "lr" => options with { Training = options.Training with { LearningRate = value } },
            "t" => options with { Temperature = value },
            "random" => options with { RandomShare = value },
            "neighbours" => options with { NeighbourShare = value },
            "pieces" => options with { Pieces = (int)value },
            "repeats" => options with { SampleRepeats = (int)value },
            "dropout" => options with { Training = options.Training with { Dropout = value } },
            "batch" => options with { Training = options.Training with { BatchSize = (int)value } },
            "crossovers" => options with { Crossovers = value },
            _ => throw new ArgumentException($"There is no distillation option '{parts[0]}'."),
        };
    }

    public static void Run(string shared, string planted, string output, IReadOnlyList<string> suspects, IReadOnlyList<string> defences, IReadOnlyList<ulong> seeds, int workers, TokenFrequencies? frequencies, int development, string? keep)
    {
        var file = new ResultsFile(output);
        var done = file.Read().Select(m => m.Key).ToHashSet(StringComparer.Ordinal);
        var jobs = (from seed in seeds
                    from suspect in suspects
                    from defence in defences
                    let key = $"{suspect}|{defence}|{seed}"
                    where !done.Contains(key)
                    select (key, suspect, defence, seed)).ToList();
        var opened = jobs.Select(j => j.suspect).Distinct().ToDictionary(s => s, s => Suspect.Open(s, shared, planted, development));
        var tuner = new TorchFineTuner();
        var clock = Stopwatch.StartNew();
        var count = 0;
        var threads = workers == 1 ? 0 : 1;
        SideBySide.Run(jobs, workers, job =>
        {
            var suspect = opened[job.suspect];
            var options = Parse(job.defence, suspect.Clean.Examples.Any(e => e.TextPair is not null));
            options = options with { Seed = job.seed, FineTuning = options.FineTuning with { Threads = threads, Shards = 1 } };
            var own = Stopwatch.StartNew();
            var result = new DefencePipeline(tuner, tuner, new TorchPredictor(), frequencies).Run(suspect.Model, suspect.Base, suspect.Clean, options);
            var seconds = own.Elapsed.TotalSeconds;
            var e = Measurement.Of(result.Model, suspect, threads);
            var m = new Measurement(job.key, job.suspect, job.defence, job.seed, e.Accuracy, e.AttackSuccessRate!.Value, e.TargetRateWithoutTrigger!.Value, e.Samples, e.AttackSamples!.Value, Math.Round(seconds, 1), result.ReserveRatio, result.Probe?.RemovedText);
            if (keep is not null)
                ModelFolder.Save(result.Model, Path.Combine(keep, job.key.Replace('|', '-').Replace(':', '-')), suspect.BaseFolder, DType.F32, overwrite: true);
            file.Append(m);
            var finished = Interlocked.Increment(ref count);
            var left = clock.Elapsed / finished * (jobs.Count - finished);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{finished}/{jobs.Count} {job.key}: ACC {100 * m.Accuracy:f1} ASR {100 * m.AttackSuccessRate:f1} (without trigger {100 * m.TargetRateWithoutTrigger:f1}), {seconds:f1} s, left {left:hh\\:mm\\:ss}"));
            foreach (var phrase in result.Probe?.Phrases.Take(4) ?? [])
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"    {phrase.Text} -> {phrase.TargetLabel}: evidence {phrase.Evidence:f2}, gain {phrase.Gain:f1}{(result.Probe?.Removed.Contains(phrase) == true ? ", removed" : "")}"));
            return m;
        });
    }
}
