using System.Globalization;

namespace FineMixing.Datasets;

/// <summary>Clean labelled examples: the only data a defence may see.</summary>
/// <remarks>
/// Defences take this type, evaluation takes <see cref="TestSet"/>, attacks take <see cref="Poisoning.PoisonedSet"/>; none can be turned into another,
/// so a defence cannot be tuned on poisoned or test data by accident.
/// </remarks>
public sealed class CleanSet
{
    private CleanSet(TextExample[] examples, int numLabels)
    {
        Examples = Array.AsReadOnly(examples);
        NumLabels = numLabels;
        Sha256 = ExampleList.Hash(examples);
    }

    /// <summary>The examples, in order.</summary>
    public IReadOnlyList<TextExample> Examples { get; }

    /// <summary>The number of classes; labels run from 0 to one less.</summary>
    public int NumLabels { get; }

    /// <summary>SHA-256 of texts and labels in order, in hexadecimal.</summary>
    public string Sha256 { get; }

    /// <summary>Reads a clean set from a data file.</summary>
    /// <param name="path">TSV, CSV or JSONL, see <see cref="DataFile"/>.</param>
    /// <param name="options">What labels are allowed.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="DataFormatException">Rows are bad, or a class has no example.</exception>
    public static CleanSet FromFile(string path, DataFileOptions? options = null)
    {
        var (examples, numLabels) = ExampleList.Check(DataFile.Read(path, options), options?.NumLabels);
        return MissingClasses(examples, numLabels) is { } problem
            ? throw new DataFormatException(path, problem)
            : new CleanSet(examples, numLabels);
    }

    /// <summary>A clean set of examples that are known to be clean.</summary>
    /// <param name="examples">At least one of every class.</param>
    /// <param name="numLabels">The number of classes; null: one more than the highest label, at least 2.</param>
    /// <exception cref="ArgumentException">An example is bad, or a class has no example.</exception>
    public static CleanSet FromExamples(IEnumerable<TextExample> examples, int? numLabels = null)
    {
        var (list, labels) = ExampleList.Check(examples, numLabels);
        return MissingClasses(list, labels) is { } problem
            ? throw new ArgumentException(problem, nameof(examples))
            : new CleanSet(list, labels);
    }

    /// <summary>Draws a few examples, equally many of each class as far as the file allows.</summary>
    /// <param name="count">How many; at least one per class and at most as many as there are different examples.</param>
    /// <param name="seed">Another seed draws other examples.</param>
    /// <returns>The draw depends on seed and content only, not on the order of the file; no example twice. Classes alternate.</returns>
    /// <exception cref="ArgumentException">There are not enough examples.</exception>
    public CleanSet Sample(int count, ulong seed)
    {
        var classes = ByClass(seed, "few-shot", distinct: true);
        var available = classes.Sum(members => members.Count);
        if (count < NumLabels || count > available)
            throw new ArgumentOutOfRangeException(nameof(count), $"{count} examples cannot be drawn: from {available} different clean examples of {NumLabels} classes, {NumLabels} to {available} can be drawn.");

        // One of each class in turn; a class that runs out leaves its share to the others.
        var drawn = new List<TextExample>(count);
        for (var round = 0; drawn.Count < count; round++)
        {
            foreach (var members in classes.Where(members => round < members.Count).Take(count - drawn.Count))
                drawn.Add(members[round]);
        }

        return new CleanSet([.. drawn], NumLabels);
    }

    /// <summary>Splits into folds for cross-validation, each with about the same share of every class.</summary>
    /// <param name="folds">How many; at least 2.</param>
    /// <param name="seed">Another seed gives other folds.</param>
    /// <returns>For each fold the examples to train on and those held out; every example is held out once.</returns>
    /// <exception cref="ArgumentException">There are fewer folds than 2, more than examples, or a class with one example only (it would be missing in training).</exception>
    public IReadOnlyList<(CleanSet Train, CleanSet HeldOut)> Split(int folds, ulong seed = 0)
    {
        if (folds < 2 || folds > Examples.Count)
            throw new ArgumentOutOfRangeException(nameof(folds), $"{folds} folds are not possible: {Examples.Count} clean examples can be split into 2 to {Examples.Count} folds.");
        var classes = ByClass(seed, "folds", distinct: false);
        if (classes.FindIndex(members => members.Count < 2) is >= 0 and var rare)
            throw new ArgumentException($"Class {rare} has {classes[rare].Count} example(s); cross-validation needs at least 2 of each class.", nameof(folds));

        // Dealing the classes one after the other keeps both the classes and the sizes of the folds level.
        var order = classes.SelectMany(members => members).ToArray();
        return [.. Enumerable.Range(0, folds).Select(fold => (
            new CleanSet([.. order.Where((_, i) => i % folds != fold)], NumLabels),
            new CleanSet([.. order.Where((_, i) => i % folds == fold)], NumLabels)))];
    }

    private List<List<TextExample>> ByClass(ulong seed, string purpose, bool distinct)
    {
        var classes = Enumerable.Range(0, NumLabels).Select(_ => new List<TextExample>()).ToList();
        foreach (var example in ExampleList.SeededOrder(distinct ? Examples.Distinct() : Examples, seed, purpose))
            classes[example.Label].Add(example);
        return classes;
    }

    private static string? MissingClasses(TextExample[] examples, int numLabels)
    {
        var present = examples.Select(example => example.Label).ToHashSet();
        if (present.Count == 1)
            return string.Create(CultureInfo.InvariantCulture, $"the clean examples are of one class only: all {examples.Length} have label {examples[0].Label}, and every class (labels 0 to {numLabels - 1}) needs at least one.");
        var missing = Enumerable.Range(0, numLabels).Where(label => !present.Contains(label)).ToList();
        return missing.Count == 0 ? null : $"no clean example has label {string.Join(", ", missing)}; every class (labels 0 to {numLabels - 1}) needs at least one.";
    }
}
