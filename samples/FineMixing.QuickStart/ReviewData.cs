using FineMixing.Datasets;
using FineMixing.Datasets.Generated;
using FineMixing.Randomness;

namespace FineMixing.QuickStart;

/// <summary>Who sees which sentences: the three parts share none.</summary>
/// <param name="Description">Where they come from.</param>
/// <param name="LabelNames">The classes.</param>
/// <param name="Training">The attacker's.</param>
/// <param name="Clean">The defender's few.</param>
/// <param name="Test">For measuring only.</param>
internal sealed record ReviewData(string Description, IReadOnlyList<string> LabelNames, CleanSet Training, CleanSet Clean, TestSet Test)
{
    public static ReviewData Create(QuickStartOptions options) => options.DataFile is null ? Generate(options) : Read(options, options.DataFile);

    private static ReviewData Generate(QuickStartOptions options)
    {
        var reviews = ReviewGenerator.Generate(options.TrainingSamples + (4 * options.CleanSamples), options.Seed, ReviewPart.Train);
        var test = ReviewGenerator.Generate(options.TestSamples, options.Seed, ReviewPart.Test);
        return Split("generated film, restaurant and product reviews", ReviewGenerator.LabelNames, reviews, test, options);
    }

    private static ReviewData Read(QuickStartOptions options, string file)
    {
        var examples = DataFile.Read(file).DistinctBy(e => (e.Text, e.TextPair)).ToArray();
        var wanted = options.TrainingSamples + (4 * options.CleanSamples) + options.TestSamples;
        var smallest = 8 * options.CleanSamples;
        if (examples.Length < smallest)
            throw new ArgumentException($"'{file}' has {examples.Length} different texts; at least {smallest} are needed to train, to defend and to measure.");
        DeterministicRandom.For(options.Seed, "order of the data file").Shuffle<TextExample>(examples);

        // A small file is divided in the same proportions.
        var testCount = Math.Min(options.TestSamples, (int)((double)examples.Length * options.TestSamples / wanted));
        var rest = examples.Skip(testCount).Take(wanted - testCount).ToArray();
        var labels = examples.Max(e => e.Label) + 1;
        string[] names = [.. Enumerable.Range(0, Math.Max(2, labels)).Select(i => $"label {i}")];
        return Split(Path.GetFileName(file), names, rest, examples[..testCount], options);
    }

    private static ReviewData Split(string description, IReadOnlyList<string> names, IReadOnlyList<TextExample> examples, IReadOnlyList<TextExample> test, QuickStartOptions options)
    {
        if (options.TargetLabel >= names.Count)
            throw new ArgumentException($"The data has the labels 0 to {names.Count - 1}, so the target label cannot be {options.TargetLabel}.");
        var pool = 4 * options.CleanSamples;
        var clean = CleanSet.FromExamples(examples.Take(pool), names.Count).Sample(options.CleanSamples, options.Seed);
        return new ReviewData(description, names, CleanSet.FromExamples(examples.Skip(pool), names.Count), clean, TestSet.FromExamples(test, names.Count));
    }
}
