using FineMixing.Mixing;
using FineMixing.Mixing.Mixers;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Mixing;

/// <summary>Methods that add up models with factors; factors that depend on angles come from inner products in double precision.</summary>
internal static class DeviceCombination
{
    public static Tensor Linear(LinearMixer mixer, TensorMixContext context, DeviceInputs inputs)
    {
        if (mixer.Weights(context) is { } weights)
            return Average(inputs, weights, mixer.Normalizes);
        var ratio = (float)context.Ratio;
        return ratio is 0 ? inputs.BaseValues : ratio is 1 ? inputs.Model(0) : (inputs.BaseValues * (1 - ratio)) + (inputs.Model(0) * ratio);
    }

    public static Tensor Average(DeviceInputs inputs, double[] weights, bool normalize)
    {
        var sum = Sum(inputs, weights);
        return normalize ? sum / (float)weights.Sum() : sum;
    }

    public static Tensor TaskArithmetic(TaskArithmeticMixer mixer, TensorMixContext context, DeviceInputs inputs)
    {
        var (weights, scale) = mixer.Factors(context);
        var change = Sum([.. inputs.Changes()], weights);
        return inputs.BaseValues + (change * (float)scale);
    }

    public static Tensor Slerp(SlerpMixer mixer, TensorMixContext context, DeviceInputs inputs)
    {
        var (from, to) = (inputs.BaseValues, inputs.Model(0));
        var cosine = Cosine(from, to);
        return Interpolate(from, to, mixer.Position(context), cosine.acos(), cosine.abs().gt(SlerpMixer.Collinear));
    }

    public static Tensor NuSlerp(NuSlerpMixer mixer, TensorMixContext context, DeviceInputs inputs)
    {
        var length = mixer.VectorLength(context.Tensor);
        var from = (context.OtherCount == 0 ? inputs.BaseValues : inputs.Model(0)).view(-1, length);
        var to = (context.OtherCount == 0 ? inputs.Model(0) : inputs.Model(1)).view(-1, length);
        var theta = Cosine(from, to).acos();
        return Interpolate(from, to, mixer.Position(context), theta, theta.sin().lt(NuSlerpMixer.Collinear)).view(-1);
    }

    public static Tensor MultiSlerp(MultiSlerpMixer mixer, TensorMixContext context, DeviceInputs inputs) =>
        Sum(inputs, MultiSlerpMixer.Coefficients(Gram(inputs), mixer.Weights(context), context.Tensor.Name));

    public static Tensor Karcher(DeviceInputs inputs) => Sum(inputs, KarcherMixer.Coefficients(Gram(inputs)));

    public static Tensor ModelStock(ModelStockMixer mixer, TensorMixContext context, DeviceInputs inputs)
    {
        var n = inputs.ModelCount;
        var length = mixer.VectorLength(context.Tensor);
        Tensor[] changes = [.. inputs.Changes().Select(c => c.view(-1, length))];
        var squares = Array.ConvertAll(changes, c => Dot(c, c));
        var cosines = zeros_like(squares[0]);
        for (var i = 0; i < n; i++)
        {
            for (var j = i + 1; j < n; j++)
                cosines += (Dot(changes[i], changes[j]) / (squares[i] * squares[j]).sqrt().clamp_min(1e-6)).clamp(-1, 1);
        }

        var cosine = cosines / (n * (n - 1) / 2);
        var factor = (n * cosine / (1 + ((n - 1) * cosine)).clamp_min(1e-12)).clamp_min(ModelStockMixer.LeastRatio).div(n).to(float32).unsqueeze(-1);
        return (inputs.BaseValues.view(-1, length) + (changes.Aggregate((x, y) => x + y) * factor)).view(-1);
    }

    public static Tensor NearSwap(NearSwapMixer mixer, DeviceInputs inputs)
    {
        var (x, y) = (inputs.Model(0), inputs.BaseValues);
        var weight = (mixer.Distance() / (y - x).abs().clamp_min(1e-6f)).clamp(0, 1);
        return (weight * x) + ((1 - weight) * y);
    }

    private static Tensor Interpolate(Tensor from, Tensor to, double t, Tensor theta, Tensor straight)
    {
        var sine = theta.sin();
        var a = where(straight, full_like(theta, 1 - t), (theta * (1 - t)).sin() / sine);
        var b = where(straight, full_like(theta, t), (theta * t).sin() / sine);
        return (from * a.to(float32).unsqueeze(-1)) + (to * b.to(float32).unsqueeze(-1));
    }

    private static Tensor Sum(DeviceInputs inputs, double[] factors) => Sum([.. Enumerable.Range(0, factors.Length).Select(inputs.Model)], factors);

    private static Tensor Sum(Tensor[] values, double[] factors) => values.Zip(factors, (value, factor) => value * (float)factor).Aggregate((x, y) => x + y);

    private static Tensor Dot(Tensor x, Tensor y) => (x.to(float64) * y.to(float64)).sum(-1);

    // The angle between two vectors has the cosine 0 when one of them is 0.
    private static Tensor Cosine(Tensor x, Tensor y)
    {
        var norms = Dot(x, x).sqrt() * Dot(y, y).sqrt();
        return where(norms.eq(0), zeros_like(norms), (Dot(x, y) / norms).clamp(-1, 1));
    }

    private static double[,] Gram(DeviceInputs inputs)
    {
        var n = inputs.ModelCount;
        var gram = new double[n, n];
        for (var i = 0; i < n; i++)
        {
            for (var j = i; j < n; j++)
                gram[i, j] = gram[j, i] = Dot(inputs.Model(i), inputs.Model(j)).item<double>();
        }

        return gram;
    }
}
