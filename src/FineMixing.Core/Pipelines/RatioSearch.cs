using System.Collections.Immutable;
using System.Globalization;

namespace FineMixing.Pipelines;

/// <summary>How the reserve ratio is searched on clean samples.</summary>
public sealed record RatioSearchOptions
{
    /// <summary>Ratios tried, each 0 to 1.</summary>
    public ImmutableArray<double> Ratios { get; init; } = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

    /// <summary>Parts of the clean samples; each is held out once. At least 2. Default 4.</summary>
    public int Folds { get; init; } = 4;

    /// <summary>How far the held-out accuracy may lie below the suspect's, 0 to 1. Default 0.05 (3 of 64 samples).</summary>
    public double Tolerance { get; init; } = 0.05;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">Lists all values out of range.</exception>
    public void Validate()
    {
        var problems = new List<string>();
        if (Ratios.IsDefaultOrEmpty || Ratios.Any(r => !(r is >= 0 and <= 1)))
            problems.Add("Ratios must be one or more numbers from 0 to 1");
        if (Folds < 2)
            problems.Add(string.Create(CultureInfo.InvariantCulture, $"Folds is {Folds}; expected at least 2"));
        if (!(Tolerance is >= 0 and <= 1))
            problems.Add(string.Create(CultureInfo.InvariantCulture, $"Tolerance is {Tolerance}; expected 0 to 1"));
        if (problems.Count > 0)
            throw new ArgumentException(string.Join("; ", problems) + ".");
    }
}

/// <summary>One row of a ratio search.</summary>
/// <param name="Ratio">The reserve ratio.</param>
/// <param name="Correct">Held-out clean samples answered correctly, over all folds.</param>
/// <param name="Samples">Held-out clean samples, over all folds.</param>
/// <param name="Chosen">True for the ratio taken.</param>
public sealed record RatioSearchRow(double Ratio, int Correct, int Samples, bool Chosen)
{
    /// <summary>Held-out accuracy.</summary>
    public double Accuracy => (double)Correct / Samples;
}

/// <summary>What a ratio search found.</summary>
/// <param name="Ratio">The ratio taken: the smallest whose accuracy is within the tolerance of the suspect's, or the most accurate when none is.</param>
/// <param name="SuspectAccuracy">The suspect's accuracy on the same clean samples.</param>
/// <param name="Tolerance">How far below it the accuracy may lie.</param>
/// <param name="WithinTolerance">False when no ratio was within the tolerance.</param>
/// <param name="Table">Every ratio tried, ascending.</param>
public sealed record RatioSearchResult(double Ratio, double SuspectAccuracy, double Tolerance, bool WithinTolerance, ImmutableArray<RatioSearchRow> Table)
{
    /// <summary>Applies the rule to a table.</summary>
    public static RatioSearchResult Choose(double suspectAccuracy, double tolerance, IEnumerable<RatioSearchRow> rows)
    {
        var table = rows.OrderBy(r => r.Ratio).ToList();
        var within = table.Find(r => r.Accuracy >= suspectAccuracy - tolerance - 1e-9);
        var chosen = within ?? table.MaxBy(r => r.Accuracy) ?? throw new ArgumentException("No ratio was tried.", nameof(rows));
        return new RatioSearchResult(chosen.Ratio, suspectAccuracy, tolerance, within is not null, [.. table.Select(r => r with { Chosen = r.Ratio == chosen.Ratio })]);
    }
}
