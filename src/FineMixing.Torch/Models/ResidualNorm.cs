using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Models;

/// <summary>What follows the matrix product of an attention or feed-forward block, without gradients on one thread of a CPU: bias, residual and layer normalisation (Ba et al. 2016, arXiv 1607.06450, eq. 4) in one pass over a row.</summary>
internal static unsafe class ResidualNorm
{
    /// <summary>Normalises product + bias + residual, in the memory of the product.</summary>
    /// <param name="product">[1, rows, hidden], contiguous, single precision or bfloat16; overwritten.</param>
    /// <param name="bias">[hidden], of the same type.</param>
    /// <param name="residual">Like the product.</param>
    /// <param name="weight">[hidden], single precision.</param>
    /// <param name="normBias">[hidden], single precision.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <returns>The product's tensor.</returns>
    public static Tensor Run(Tensor product, Tensor bias, Tensor residual, Tensor weight, Tensor normBias, double epsilon)
    {
        var (rows, hidden, low) = (product.shape[1], (int)product.shape[2], product.dtype == ScalarType.BFloat16);
        var sums = (float*)NativeMemory.AlignedAlloc((nuint)hidden * sizeof(float), 64);
        try
        {
            var row = new Row(ParameterStore.Pointer(bias), (float*)ParameterStore.Pointer(weight), (float*)ParameterStore.Pointer(normBias), hidden, low, (float)epsilon);
            var values = ParameterStore.Pointer(product);
            var others = ParameterStore.Pointer(residual);
            for (long i = 0; i < rows; i++)
                row.Normalise(values, others, i * hidden, sums);
        }
        finally
        {
            NativeMemory.AlignedFree(sums);
        }

        return product;
    }

    private readonly struct Row(void* bias, float* weight, float* normBias, int hidden, bool low, float epsilon)
    {
        private readonly void* _bias = bias;
        private readonly float* _weight = weight;
        private readonly float* _normBias = normBias;

        public void Normalise(void* values, void* residual, long start, float* sums)
        {
            var i = 0;
            var total = Vector256<float>.Zero;
            for (; i + Lanes.Count <= hidden; i += Lanes.Count)
            {
                var x = Lanes.Load(values, low, start + i) + Lanes.Load(_bias, low, i) + Lanes.Load(residual, low, start + i);
                x.Store(sums + i);
                total += x;
            }

            var mean = Vector256.Sum(total);
            for (; i < hidden; i++)
                mean += sums[i] = Lanes.One(values, low, start + i) + Lanes.One(_bias, low, i) + Lanes.One(residual, low, start + i);
            mean /= hidden;
            var squares = Vector256<float>.Zero;
            for (i = 0; i + Lanes.Count <= hidden; i += Lanes.Count)
            {
                var x = Vector256.Load(sums + i) - Vector256.Create(mean);
                squares += x * x;
            }

            var variance = Vector256.Sum(squares);
            for (; i < hidden; i++)
                variance += (sums[i] - mean) * (sums[i] - mean);
            var scale = 1 / MathF.Sqrt((variance / hidden) + epsilon);
            for (i = 0; i + Lanes.Count <= hidden; i += Lanes.Count)
            {
                var x = (Vector256.Load(sums + i) - Vector256.Create(mean)) * Vector256.Create(scale);
                Lanes.Store(values, low, start + i, (x * Vector256.Load(_weight + i)) + Vector256.Load(_normBias + i));
            }

            for (; i < hidden; i++)
                Lanes.StoreOne(values, low, start + i, ((sums[i] - mean) * scale * _weight[i]) + _normBias[i]);
        }
    }
}
