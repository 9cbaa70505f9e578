namespace FineMixing.Reports.Drawing;

/// <summary>Maps values to pixels, linearly or by their logarithm, and knows where its ticks belong.</summary>
internal sealed class Scale
{
    private readonly double _low;
    private readonly double _high;
    private readonly double _from;
    private readonly double _to;
    private readonly bool _logarithmic;

    private Scale(double low, double high, double from, double to, bool logarithmic)
    {
        (_low, _high, _from, _to, _logarithmic) = (low, high > low ? high : low + 1, from, to, logarithmic);
    }

    public static Scale Linear(double low, double high, double from, double to) => new(low, high, from, to, false);

    public static Scale Logarithmic(double low, double high, double from, double to) => new(Math.Log10(low), Math.Log10(high), from, to, true);

    public double Map(double value)
    {
        var position = _logarithmic ? Math.Log10(value) : value;
        return _from + (position - _low) / (_high - _low) * (_to - _from);
    }

    /// <summary>Round values inside the range, about <paramref name="count"/> of them; powers of ten on a logarithmic scale.</summary>
    public IEnumerable<double> Ticks(int count)
    {
        if (_logarithmic)
        {
            for (var power = (int)Math.Ceiling(_low - 1e-9); power <= _high + 1e-9; power++)
                yield return Math.Pow(10, power);
            yield break;
        }

        var step = NiceStep((_high - _low) / Math.Max(1, count));
        for (var i = (long)Math.Ceiling(_low / step - 1e-9); i * step <= _high + step * 1e-9; i++)
            yield return i * step;
    }

    /// <summary>The smallest of 1, 2, 2.5, 5 times a power of ten that is at least as large.</summary>
    public static double NiceStep(double rough)
    {
        var power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        foreach (var factor in (double[])[1, 2, 2.5, 5])
        {
            if (factor * power >= rough * (1 - 1e-9))
                return factor * power;
        }

        return 10 * power;
    }
}
