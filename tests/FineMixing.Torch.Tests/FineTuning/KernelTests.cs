using FineMixing.Randomness;
using FineMixing.Torch.FineTuning;

namespace FineMixing.Torch.Tests.FineTuning;

/// <summary>The fast loops against the simple version of the same formula.</summary>
public unsafe class KernelTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(16)]
    [InlineData(77)]
    public void AdamW_AnyLength_EqualsFormula(int count)
    {
        var random = new DeterministicRandom(1);
        float[] Draw(double scale) => [.. Enumerable.Range(0, count).Select(_ => (float)(scale * random.NextGaussian()))];
        var (w, m, v, g) = (Draw(0.1), Draw(0.01), Draw(0.001).Select(x => x * x).ToArray(), Draw(0.01));
        var expected = new double[count];
        var (lr, wd, step, scale) = (1e-3, 0.01, 7, 0.5);
        for (var i = 0; i < count; i++)
        {
            var gradient = g[i] * scale;
            var first = (0.9 * m[i]) + (0.1 * gradient);
            var second = (0.999 * v[i]) + (0.001 * gradient * gradient);
            expected[i] = (w[i] * (1 - (lr * wd))) - (lr * (first / (1 - Math.Pow(0.9, step))) / (Math.Sqrt(second / (1 - Math.Pow(0.999, step))) + 1e-8));
        }

        var low = new ushort[count];
        fixed (float* pw = w, pm = m, pv = v, pg = g)
        fixed (ushort* pl = low)
            AdamWKernel.Update(pw, pm, pv, pg, secondGradient: null, lowGradient: false, pl, count, AdamWStep.At(step, lr, wd, scale));
        for (var i = 0; i < count; i++)
        {
            Assert.InRange(Math.Abs(w[i] - expected[i]), 0, 2e-7);
            Assert.Equal(Checkpoints.FloatConversion.ToBFloat16(w[i]), low[i]);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void TwoGradients_AnyType_CountAsTheirSum(bool low)
    {
        const int Count = 77;
        var random = new DeterministicRandom(5);
        ushort[] Draw() => [.. Enumerable.Range(0, Count).Select(_ => Checkpoints.FloatConversion.ToBFloat16((float)random.NextGaussian()))];
        float[] Widen(ushort[] values) => Array.ConvertAll(values, v => BitConverter.UInt32BitsToSingle((uint)v << 16));
        var (firstLow, secondLow) = (Draw(), Draw());
        var (first, second) = (Widen(firstLow), Widen(secondLow));
        var sum = first.Zip(second, (a, b) => a + b).ToArray();
        var numbers = AdamWStep.At(1, 1e-3, 0.01, 0.5);
        var (w, m, v) = (new float[Count], new float[Count], new float[Count]);
        var (w2, m2, v2) = (new float[Count], new float[Count], new float[Count]);
        fixed (float* a = first, b = second, s = sum, pw = w, pm = m, pv = v, pw2 = w2, pm2 = m2, pv2 = v2)
        fixed (ushort* al = firstLow, bl = secondLow)
        {
            Assert.Equal(AdamWKernel.SumOfSquares(s, null, false, Count), AdamWKernel.SumOfSquares(low ? al : a, low ? bl : b, low, Count));
            AdamWKernel.Update(pw, pm, pv, s, secondGradient: null, lowGradient: false, null, Count, numbers);
            AdamWKernel.Update(pw2, pm2, pv2, low ? al : a, low ? bl : b, low, null, Count, numbers);
        }

        Assert.Equal(w, w2);
        Assert.Equal(m, m2);
        Assert.Equal(v, v2);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void SumOfSquares_AnyType_EqualsSum(bool low)
    {
        var random = new DeterministicRandom(2);
        var values = Enumerable.Range(0, 1001).Select(_ => (float)random.NextGaussian()).ToArray();
        var rounded = Array.ConvertAll(values, Checkpoints.FloatConversion.ToBFloat16);
        if (low)
            values = Array.ConvertAll(rounded, r => BitConverter.UInt32BitsToSingle((uint)r << 16));
        var expected = values.Sum(x => (double)x * x);
        fixed (float* p = values)
        fixed (ushort* q = rounded)
            Assert.InRange(AdamWKernel.SumOfSquares(low ? q : p, null, low, values.Length) / expected, 1 - 1e-6, 1 + 1e-6);
    }

    [Fact]
    public void LazyRows_AnyOrderOfBatches_EqualDenseUpdates()
    {
        const int Rows = 40, Width = 8, Steps = 600;
        var random = new DeterministicRandom(3);
        float[] start = [.. Enumerable.Range(0, Rows * Width).Select(_ => (float)(0.05 * random.NextGaussian()))];
        var (lazy, dense) = ((float[])start.Clone(), (float[])start.Clone());
        var (first, second) = (new float[Rows * Width], new float[Rows * Width]);
        fixed (float* pl = lazy, pd = dense, pf = first, ps = second)
        {
            using var update = new LazyRowAdamW(pl, Rows, Width, threads: 2);
            for (var step = 1; step <= Steps; step++)
            {
                // Row 0 never occurs, row 1 only at the start (a gap longer than the replay), the others now and then.
                int[] rows = [.. Enumerable.Range(1, Rows - 1).Where(r => r == 1 ? step < 3 : random.NextInt32(4) == 0)];
                var numbers = AdamWStep.At(step, 1e-3, 0.01, 1);
                float[] gradient = [.. Enumerable.Range(0, rows.Length * Width).Select(_ => (float)random.NextGaussian())];
                var all = new float[Rows * Width];
                for (var i = 0; i < rows.Length; i++)
                    gradient.AsSpan(i * Width, Width).CopyTo(all.AsSpan(rows[i] * Width));
                update.CatchUp(rows);
                foreach (var row in rows)
                    Assert.True(MaxDifference(lazy, dense, row * Width, Width) < 2e-6, $"row {row} at step {step}");
                fixed (float* pg = gradient, pa = all)
                {
                    update.Step(rows, pg, numbers);
                    AdamWKernel.Update(pd, pf, ps, pa, secondGradient: null, lowGradient: false, null, Rows * Width, numbers);
                }
            }

            update.Flush();
        }

        Assert.InRange(MaxDifference(lazy, dense, 0, Rows * Width), 0, 2e-6);
        Assert.NotEqual(start[0], lazy[0]);
    }

    [Fact]
    public void LazyRows_DecayThatUnderflows_LeavesZero()
    {
        // 0.1 to the power of 600 is no number in double precision.
        const int Rows = 3, Width = 8;
        float[] rows = [.. Enumerable.Repeat(1f, Rows * Width)];
        float[] gradient = [.. Enumerable.Repeat(0.1f, Width)];
        fixed (float* p = rows, g = gradient)
        {
            using var update = new LazyRowAdamW(p, Rows, Width, threads: 1);
            for (var step = 1; step <= 600; step++)
            {
                // Row 0 never occurs, row 1 after the product has underflowed, row 2 always.
                int[] occurring = step == 340 ? [1] : [2];
                update.CatchUp(occurring);
                update.Step(occurring, g, AdamWStep.At(step, 0.01, 90, 1));
            }

            update.Flush();
        }

        Assert.All(rows, v => Assert.True(float.IsFinite(v)));
        Assert.Equal(0, rows[0]);
    }

    [Fact]
    public void BatchPlan_Epoch_CoversEverySampleOnceInSimilarLengths()
    {
        var random = new DeterministicRandom(4);
        var lengths = Enumerable.Range(0, 5000).Select(_ => 5 + random.NextInt32(60)).ToArray();
        var plan = BatchPlan.Epoch(lengths, 32, 1, 0);
        Assert.Equal(Enumerable.Range(0, lengths.Length), plan.SelectMany(b => b).Order());
        Assert.All(plan, b => Assert.InRange(b.Length, 1, 32));
        Assert.NotEqual(plan[0], BatchPlan.Epoch(lengths, 32, 1, 1)[0]);
        Assert.Equal(plan[0], BatchPlan.Epoch(lengths, 32, 1, 0)[0]);
        double Padded(IEnumerable<int[]> batches) => batches.Sum(b => (double)b.Max(i => lengths[i]) * b.Length) / lengths.Sum();
        Assert.True(Padded(plan) < 1.45);
        Assert.True(Padded(Enumerable.Range(0, lengths.Length).Chunk(32)) > 1.7);
    }

    [Fact]
    public void BatchPlan_Epoch_KeepsItsOrderFromVersionToVersion()
    {
        var plan = BatchPlan.Epoch([9, 12, 8, 10, 11, 9, 12, 8, 10, 11], 3, 7, 2);
        Assert.Equal([2, 7, 0, 5, 8, 3, 9, 4, 6, 1], plan.SelectMany(b => b));
        Assert.Equal([3, 3, 3, 1], plan.Select(b => b.Length));
    }

    private static double MaxDifference(float[] a, float[] b, int start, int count)
    {
        var worst = 0.0;
        for (var i = start; i < start + count; i++)
            worst = Math.Max(worst, Math.Abs((double)a[i] - b[i]));
        return worst;
    }
}
