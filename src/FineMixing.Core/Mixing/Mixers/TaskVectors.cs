using System.Numerics;

namespace FineMixing.Mixing.Mixers;

/// <summary>Steps shared by the methods that work on the changes of models against their base.</summary>
internal static class TaskVectors
{
    /// <summary>result += weight * (model - base).</summary>
    public static void AddChange(ReadOnlySpan<float> model, ReadOnlySpan<float> @base, float weight, Span<float> result)
    {
        var i = 0;
        var factor = new Vector<float>(weight);
        for (; i <= result.Length - Vector<float>.Count; i += Vector<float>.Count)
            (new Vector<float>(result[i..]) + (factor * (new Vector<float>(model[i..]) - new Vector<float>(@base[i..])))).CopyTo(result[i..]);
        for (; i < result.Length; i++)
            result[i] += weight * (model[i] - @base[i]);
    }

    /// <summary>Keeps, of a change, the values between the <paramref name="drop"/> largest and the smallest, <paramref name="keep"/> in all; the others become 0.</summary>
    /// <remarks>Sizes that are equal count as larger the lower their index.</remarks>
    public static void Trim(Span<float> change, long keep, long drop)
    {
        if (keep + drop >= change.Length && drop == 0)
            return;
        var upper = OrderStatistics.Threshold(change, Math.Min(change.Length, keep + drop), largest: true);
        var top = OrderStatistics.Threshold(change, drop, largest: true);
        for (var i = 0; i < change.Length; i++)
        {
            var (kept, dropped) = (upper.Takes(change[i]), top.Takes(change[i]));
            if (!kept || dropped)
                change[i] = 0;
        }
    }

    /// <summary>base + lambda * (sum of weighted changes), each model's change counted where its weighted sign is the one the sum of all elects (TIES), when asked.</summary>
    /// <param name="base">The base's values.</param>
    /// <param name="changes">One array a model.</param>
    /// <param name="merge">Weights, lambda and whether signs are elected.</param>
    /// <param name="result">Filled.</param>
    public static void Merge(ReadOnlySpan<float> @base, float[][] changes, TaskVectorMerge merge, Span<float> result)
    {
        var factors = Array.ConvertAll(merge.Weights, w => (float)w);
        var total = factors.Sum();
        for (var i = 0; i < result.Length; i++)
        {
            float sum = 0;
            for (var m = 0; m < changes.Length; m++)
                sum += changes[m][i] * factors[m];
            var divisor = total;
            if (merge.Elect)
            {
                var positive = sum >= 0;
                sum = 0;
                divisor = 0;
                for (var m = 0; m < changes.Length; m++)
                {
                    var change = changes[m][i] * factors[m];
                    if (change != 0 && change > 0 == positive)
                    {
                        sum += change;
                        divisor += factors[m];
                    }
                }
            }

            if (merge.Normalize && Math.Abs(divisor) >= 1e-8f)
                sum /= divisor;
            result[i] = @base[i] + ((float)merge.Scale * sum);
        }
    }
}
