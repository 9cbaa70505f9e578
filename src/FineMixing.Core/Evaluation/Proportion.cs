using System.Globalization;

namespace FineMixing.Evaluation;

/// <summary>A measured rate: successes among trials, with its 95% Wilson interval.</summary>
/// <remarks>E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927, with z = 1.959964.</remarks>
public readonly record struct Proportion
{
    private const double Z = 1.959963984540054;

    /// <summary>A rate of counts.</summary>
    /// <param name="successes">From 0 to <paramref name="total"/>.</param>
    /// <param name="total">The number of trials, from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The counts are impossible.</exception>
    public Proportion(int successes, int total)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(total);
        ArgumentOutOfRangeException.ThrowIfNegative(successes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(successes, total);
        Successes = successes;
        Total = total;
    }

    /// <summary>How many trials succeeded.</summary>
    public int Successes { get; }

    /// <summary>How many trials there were.</summary>
    public int Total { get; }

    /// <summary>Successes over trials, 0 to 1; not a number without trials.</summary>
    public double Rate => (double)Successes / Total;

    /// <summary>The lower end of the 95% Wilson interval; 0 without trials.</summary>
    public double Low => Successes == 0 ? 0 : Math.Max(0, Centre - HalfWidth);

    /// <summary>The upper end of the 95% Wilson interval; 1 without trials.</summary>
    public double High => Successes == Total ? 1 : Math.Min(1, Centre + HalfWidth);

    private double Centre => (Rate + Z * Z / (2.0 * Total)) / (1 + Z * Z / Total);

    private double HalfWidth => Z / (1 + Z * Z / Total) * Math.Sqrt(Rate * (1 - Rate) / Total + Z * Z / (4.0 * Total * Total));

    /// <inheritdoc/>
    public override string ToString() => Total == 0
        ? "no samples"
        : string.Create(CultureInfo.InvariantCulture, $"{100 * Rate:F1}% ({100 * Low:F1}-{100 * High:F1}, {Successes} of {Total})");
}
